"""A problem's data: prepared once, from a secret of this installation, and kept apart."""
