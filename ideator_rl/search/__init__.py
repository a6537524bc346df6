"""Searches over ideas: one small module per algorithm behind the contract in `method.py`;
`methods.py` has them by name."""

from ideator_rl.search.method import Method, Part

__all__ = ["Method", "Part"]
