"""The cheats of gym_envs/cheats, tried on both built-in problems under every lock.

`make test` tries the quick ones, `make test-cheats` all of them.
"""
