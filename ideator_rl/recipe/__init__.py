"""Recipes: what to run, as YAML."""
