"""A research problem: its folder, its fingerprint, its problem.toml."""
