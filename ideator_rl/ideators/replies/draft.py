"""An idea as it was read from a reply: its two parts, tidied, in the form that every idea has.

>>> print(make_draft(["Steps are small.\\n---"], ["  Double them.\\n"]).text)
[Experiment] Steps are small.
[Code Changes]
Double them.
>>> make_draft(["<what to try>"], ["..."])                 # None: placeholders
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# A longer idea is a reply that ran away.
LONGEST_IDEA = 20_000
# Letters and digits below which a part says nothing, and an idea without labels.
LEAST_PART, LEAST_UNLABELLED = 3, 24

_RULE = re.compile(r"\s*([-*_=])(?:\s*\1){2,}\s*")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_PLACEHOLDER = re.compile(r"<[^<>]*>|(?:todo|tbd|n/?a|none)\W*", re.IGNORECASE)


class Draft(NamedTuple):
    """An idea as `[Experiment] …` and, where they are told, `[Code Changes] …`; `builds_on` are
    numbers that it gives of the ideas it was shown."""

    text: str
    builds_on: tuple[int, ...] = ()


def make_draft(
    experiment: Iterable[str], changes: Iterable[str], builds_on: Sequence[int] = ()
) -> Draft | None:
    """The idea of these parts, each in pieces; None where one says nothing, or all is too long."""
    what = "\n".join(filter(None, map(_tidy, experiment)))
    how = "\n".join(filter(None, map(_tidy, changes)))
    if letters(what) < LEAST_PART or letters(how) < LEAST_PART:
        return None
    return _bounded(f"[Experiment] {what}\n[Code Changes]\n{how}", builds_on)


def make_unlabelled(text: str, builds_on: Sequence[int] = ()) -> Draft | None:
    """The idea of a text that does not tell its parts apart; None where it says too little, or asks
    something."""
    text = _tidy(text)
    if letters(text) < LEAST_UNLABELLED or text.endswith(("?", "？")):
        return None
    return _bounded(f"[Experiment] {text}", builds_on)


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return sum(map(str.isalnum, text))


def _bounded(text: str, builds_on: Sequence[int]) -> Draft | None:
    return Draft(text, tuple(dict.fromkeys(builds_on))) if len(text) <= LONGEST_IDEA else None


def _tidy(piece: str) -> str:
    """A piece without common indentation and what stood around it: rules, half of a fence."""
    first, _, rest = piece.rstrip().partition("\n")
    lines = [first.strip(), *textwrap.dedent(rest).split("\n")]
    while lines and (not lines[-1].strip() or _RULE.fullmatch(lines[-1])):
        lines.pop()
    if sum(bool(_FENCE.match(line)) for line in lines) % 2 and _FENCE.match(lines[-1]):
        lines.pop()
    text = "\n".join(lines).strip()
    return "" if _PLACEHOLDER.fullmatch(text) else text
