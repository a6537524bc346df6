"""Whether a problem keeps its promises: `ideator-rl envs check`."""
