"""Work counted in steps, which are the same on every machine and under any load.

    steps_of(lambda: read(text), {"package.reader"})

A step is a line of Python that runs (the standard library's included), ten characters that a
regular expression, Python's parser or JSON's looks at, or a hundred that a method of a text does.
How often a regular expression looks at the same character, and what slices copy, is not seen.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from contextlib import ExitStack
from types import BuiltinFunctionType, FrameType
from typing import Any
from unittest.mock import patch

_SHORT = {"startswith", "endswith", "join", "isascii"}  # of a text; `join` is paid by its pieces
_LONG = {"index", "count", "remove", "insert", "copy", "sort", "reverse"}  # of a list
_CHARACTERS, _METHODS = 10, 100  # that make a step
_TEXTS_OF = {("ast.py", "parse"): "source", ("decoder.py", "raw_decode"): "s"}


class CountedPattern:
    """A regular expression that counts the characters it is given."""

    def __init__(self, pattern: re.Pattern[str], count: Callable[[float], None]) -> None:
        self._pattern, self._count = pattern, count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._pattern, name)

        def counted(*words: Any, **named: Any) -> Any:
            found = method(*words, **named)
            text, start = words[-1 if name in ("sub", "subn") else 0], 0
            if name == "search" and len(words) > 1:
                start = words[1]
            end = found.end() if name == "search" and found else len(text)
            self._count((end - start) / _CHARACTERS)
            return found

        return counted


def steps_of(work: Callable[[], object], modules: Collection[str]) -> int:
    """How many steps the work takes; regular expressions are those of the modules named."""
    steps = 0.0

    def count(more: float) -> None:
        nonlocal steps
        steps += more

    def line(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal steps
        if event == "line":
            steps += 1
        return line

    def call(frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        place = (code.co_filename.rpartition("/")[2], code.co_name)
        if place in _TEXTS_OF:
            count(len(frame.f_locals[_TEXTS_OF[place]]) / _CHARACTERS)
        return line

    def built_in(frame: FrameType, event: str, function: object) -> None:
        if event != "c_call" or not isinstance(function, BuiltinFunctionType):
            return
        owner, name = function.__self__, function.__name__
        of_text = isinstance(owner, (str, bytes)) and name not in _SHORT
        if of_text or (isinstance(owner, list) and name in _LONG):
            count(len(owner) / _METHODS)

    with ExitStack() as stack:
        for module in (sys.modules[name] for name in modules):
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    stack.enter_context(patch.object(module, name, CountedPattern(value, count)))
        before = sys.gettrace(), sys.getprofile()
        sys.setprofile(built_in)
        sys.settrace(call)
        try:
            work()
        finally:
            sys.settrace(before[0])
            sys.setprofile(before[1])
    return round(steps)
