"""Whatever writes ideas: one module per kind, behind the contract in `ideator.py`."""
