"""Searches over ideas: one small module per algorithm behind the contract in `method.py`."""
