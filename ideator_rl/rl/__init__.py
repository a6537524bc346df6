"""How an open-weight ideator learns from execution: GRPO, with verl."""
