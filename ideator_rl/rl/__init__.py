"""How an open-weight ideator learns: the warm start, and reinforcement from execution."""
