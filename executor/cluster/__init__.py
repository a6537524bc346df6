"""Trials, and the executor itself, on a Ray cluster."""
