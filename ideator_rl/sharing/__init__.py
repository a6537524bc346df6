"""Runs as data sets for others, freed of secrets and of what belongs to the machine."""
