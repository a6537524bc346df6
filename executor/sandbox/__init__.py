"""The sandbox: code that a language model wrote runs here and nowhere else.

    sandbox = choose("strict")
    box = Box(work=folder / "work", scratch=folder / "scratch", data=data)
    process = start(sandbox, box, ["python", "train.py"], env={}, output=log)

docs/threat-model.md says what is promised.
"""

from executor.sandbox.box import Box, Limits
from executor.sandbox.levels import SANDBOXES, choose, choose_ahead, guarantees, meets
from executor.sandbox.sandbox import Level, Sandbox, box_uid, open_group, places, start, tool

__all__ = [
    "SANDBOXES",
    "Box",
    "Level",
    "Limits",
    "Sandbox",
    "box_uid",
    "choose",
    "choose_ahead",
    "guarantees",
    "meets",
    "open_group",
    "places",
    "start",
    "tool",
]
