"""The loosest level: context that was misquoted. Removed lines must still be right.

Every place that shares lines with the hunk is scored line by line. The best one is taken if it is
good enough and clearly better than every other one, the unacceptable ones included.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from executor.edits.likeness import likeness
from executor.edits.places import Match, indent_change
from executor.edits.records import Hunk, Line
from executor.edits.work import spend

CLOSE = 0.75  # likeness from which a context line counts as a misquoted one
ENOUGH = 0.9  # mean likeness of the lines that are there
LEAD = 0.25  # the best place must beat the next one by this much of a line, or by a whole line
OUTER = 2  # so many lines at each edge of the hunk may be plainly wrong, as in `patch -F2`
COMMON = 64  # a line that is found more often says nothing about the place
MOST_PLACES = 8

SPACES = re.compile(r"\s+")


class Score(NamedTuple):
    """How well the hunk fits at one place; `match` is None where it must not be applied."""

    total: float  # likeness, summed over the lines that are not blank
    same: int  # so many of these are the same
    match: Match | None


def squeezed(text: str) -> str:
    return SPACES.sub(" ", text.strip())


def votes(old: Sequence[Line], lines: Sequence[str]) -> Counter[int]:
    """For each place at which the hunk could start, how many of its lines are found there."""
    spend(len(lines) + 8 * len(old))
    where: defaultdict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(lines):
        where[squeezed(text)].append(i)
    count: Counter[int] = Counter()
    for k, line in enumerate(old):
        places = where.get(squeezed(line.text), []) if line.text.strip() else []
        if len(places) <= COMMON:
            count.update(i - k for i in places)
    return count


def fuzzy_matches(hunk: Hunk, lines: Sequence[str]) -> list[Match]:
    """The clearly best place for the hunk, if there is one."""
    ranked = votes(hunk.old, lines).most_common(MOST_PLACES)
    starts = [start for start, count in ranked if count >= ranked[0][1] / 2]
    scores = sorted((_score(hunk, lines, s) for s in starts), key=lambda s: s.total, reverse=True)
    if not scores or scores[0].match is None:
        return []
    best, *others = scores
    clear = all(best.total - s.total >= LEAD or best.same > s.same for s in others)
    return [scores[0].match] if clear else []


def _score(hunk: Hunk, lines: Sequence[str], start: int) -> Score:
    old = hunk.old
    spend(2 * len(old))
    there = [lines[start + k] if 0 <= start + k < len(lines) else None for k in range(len(old))]
    alike = [
        0.0 if t is None else likeness(squeezed(line.text), squeezed(t))
        for line, t in zip(old, there, strict=True)
    ]
    full = [k for k, line in enumerate(old) if line.text.strip()]
    total = sum(alike[k] for k in full)
    wrong = {k for k in range(len(old)) if alike[k] < CLOSE}
    same = [k for k in full if alike[k] == 1]
    kept = [k for k in full if k not in wrong]
    acceptable = (
        all(alike[k] == 1 for k, line in enumerate(old) if line.tag == "-")
        and wrong <= _outer_context(old)
        and len(same) >= (3 if wrong else 1)
        and len(same) >= 2 * len(wrong)
        and sum(alike[k] for k in kept) >= ENOUGH * len(kept)
        and _additions_are_held(hunk, wrong)
    )
    pairs = [(old[k], there[k] or "") for k in same]
    change = indent_change(hunk, pairs) if acceptable else None
    if change is None:
        return Score(total, len(same), None)
    at = tuple(None if k in wrong else start + k for k in range(len(old)))
    return Score(total, len(same), Match(at, change))


def _outer_context(old: Sequence[Line]) -> set[int]:
    """The context lines at the hunk's edges that may be wrong."""
    removed = [k for k, line in enumerate(old) if line.tag == "-"]
    first, last = (removed[0], removed[-1]) if removed else (len(old), -1)
    head = range(min(OUTER, first, len(old)))
    tail = range(max(len(old) - OUTER, last + 1, 0), len(old))
    return {*head, *tail}


def _additions_are_held(hunk: Hunk, wrong: set[int]) -> bool:
    """Whether each run of added lines has a neighbour in the hunk that is there in the file."""
    k = -1
    for before, line in zip((None, *hunk.lines), hunk.lines, strict=False):
        if line.tag != "+":
            k += 1
        elif before is None or before.tag != "+":
            beside = {k, k + 1} & set(range(len(hunk.old)))
            if beside <= wrong:
                return False
    return True
