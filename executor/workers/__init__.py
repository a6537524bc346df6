"""Where trials run. The contract is `Workers` in `executor/scheduler.py`."""
