"""What is kept of runs, on a local folder or in a bucket: `runs.py` says what lies where."""
