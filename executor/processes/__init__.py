"""Processes of this machine: found, ended, named after their owner."""
