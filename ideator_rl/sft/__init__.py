"""Supervised fine-tuning before reinforcement learning: the warm start of a policy."""
