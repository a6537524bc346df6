"""The sandbox: code that a language model wrote runs here and nowhere else.

    lock = choose("strict")
    box = Box(work=folder / "work", scratch=folder / "scratch", data=data)
    process = start(lock, box, ["python", "train.py"], env={}, output=log)

docs/threat-model.md says what is promised.
"""

from executor.sandbox.box import Box, Limits
from executor.sandbox.levels import LOCKS, choose, guarantees, meets
from executor.sandbox.lock import Level, Lock, box_uid, open_group, places, start, tool

__all__ = [
    "LOCKS",
    "Box",
    "Level",
    "Limits",
    "Lock",
    "box_uid",
    "choose",
    "guarantees",
    "meets",
    "open_group",
    "places",
    "start",
    "tool",
]
