"""Trials by way of a store, for workers that share nothing else: `queue.py` says how."""
