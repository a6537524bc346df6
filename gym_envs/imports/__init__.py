"""Problems of other frameworks, run as they are: `ideator-rl envs import` (docs/importing.md)."""
