"""Ideas in a text: parts behind labels, or, where there are none, the items of a numbered list.

>>> read_labelled("[Experiment] Steps are small.\\n[Code Changes] Double them.\\n[End]")
[Draft(...)]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ideator_rl.ideators.replies.draft import Draft, make_draft, make_unlabelled
from ideator_rl.ideators.replies.labels import OPENING, Mark, find_marks

_DECLINES = re.compile(
    r"\b(?:sorry|apologi[sz]e|(?:ca|wo|could|would)n['’]t|cannot|unable|not able|decline)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<!\d)\d{1,3}(?!\d)")


@dataclass
class _Parts:
    """The parts of one idea read so far."""

    experiment: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    builds_on: list[int] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    ended: bool = False


def read_labelled(text: str, *, cut: bool = False) -> list[Draft]:
    """The ideas of which both parts are labelled, or at least where the second begins; with `cut`
    without the last one, unless its end is marked."""
    marks = list(_boundaries(list(find_marks(text))))
    ideas: list[_Parts] = []
    for mark, body in _bodies(text, marks):
        last = ideas[-1] if ideas and not ideas[-1].ended else None
        if mark.kind in ("experiment", "item"):
            if last is None or _begins(mark, last):
                last = _Parts()
                ideas.append(last)
            last.labels.add(mark.name)
            last.experiment.append(_title_first(body) if mark.number is not None else body)
        elif last is None:
            continue
        elif mark.kind == "changes":
            last.changes.append(body)
        elif mark.kind == "builds on":
            last.builds_on += map(int, _NUMBER.findall(body))
        else:
            last.ended = True
    if cut and ideas and not ideas[-1].ended:
        ideas.pop()
    drafts = [make_draft(idea.experiment, idea.changes, idea.builds_on) for idea in ideas]
    return [draft for draft in drafts if draft]


def read_list(text: str, *, cut: bool = False) -> list[Draft]:
    """The items of the outermost numbered list, each an idea where it says enough; none where what
    stands before the list declines to answer. With `cut` without the last one."""
    items: list[Mark] = []
    expected: int | None = None
    outermost = 0
    for mark in find_marks(text):
        if mark.number is None or mark.kind not in ("experiment", "item"):
            continue
        counts_on = mark.number == expected and _indent(text, mark) == outermost
        if expected is None or counts_on:
            outermost = _indent(text, mark)
            items.append(mark)
            expected = mark.number + 1
    if not items or (len(items) == 1 and items[0].kind == "item"):
        return []
    if _DECLINES.search(text[: items[0].start]):
        return []
    bodies = [_title_first(body) for _, body in _bodies(text, items)]
    drafts = map(make_unlabelled, bodies[:-1] if cut else bodies)
    return [draft for draft in drafts if draft]


def _boundaries(marks: Sequence[Mark]) -> Iterator[Mark]:
    """The marks without those numbered lines that belong to an idea's text.

    A numbered line begins an idea when a label of it follows, no other idea is at its experiment,
    and all ideas before it have begun so.
    """
    number: int | None = None
    inside: str | None = None
    for mark, following in zip(marks, [*marks, None][1:], strict=True):
        if mark.kind == "item":
            labelled = following is not None and following.kind in ("experiment", "changes")
            counts_on = number is not None and mark.number == number + 1
            if not labelled or (inside and (inside == "experiment" or not counts_on)):
                continue
            number, inside = mark.number, "experiment"
        else:
            inside = mark.kind
        yield mark


def _begins(mark: Mark, last: _Parts) -> bool:
    return (
        mark.number is not None
        or mark.name in last.labels
        or (mark.name in OPENING and bool(last.changes))
    )


def _bodies(text: str, marks: Sequence[Mark]) -> Iterator[tuple[Mark, str]]:
    """Each mark with the text up to the next."""
    for mark, following in zip(marks, [*marks, None][1:], strict=True):
        yield mark, text[mark.end : following.start if following else len(text)]


def _title_first(body: str) -> str:
    """A body whose first line was a title: without the marks that made it one."""
    title, newline, rest = body.partition("\n")
    return title.replace("**", "").replace("__", "").strip(" #:—–-") + newline + rest


def _indent(text: str, mark: Mark) -> int:
    line = text[mark.start : mark.end]
    return len(line) - len(line.lstrip())
