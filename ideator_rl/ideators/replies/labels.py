"""Where a reply's labels and numbered lines stand.

    >>> reply = "**Idea 1: Muon**\\n- Experiment: …\\n- Code changes: …"
    >>> [(mark.kind, mark.number) for mark in find_marks(reply)]
    [('experiment', 1), ('experiment', None), ('changes', None)]

A label stands in brackets anywhere, or begins a line as a heading, in bold or before a colon. Lines
of code in fences have labels in brackets only, at their beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["experiment", "changes", "builds on", "end", "item"]

LABELS: dict[str, Kind] = {
    "experiment": "experiment",
    "idea": "experiment",
    "research idea": "experiment",
    "proposal": "experiment",
    "hypothesis": "experiment",
    "description": "experiment",
    "motivation": "experiment",
    "rationale": "experiment",
    "code changes": "changes",
    "code change": "changes",
    "changes": "changes",
    "proposed changes": "changes",
    "implementation": "changes",
    "implementation details": "changes",
    "implementation plan": "changes",
    "based on": "builds on",
    "builds on": "builds on",
    "end": "end",
}
# Behind the changes of one idea these begin another; the others may explain what was said.
OPENING = frozenset({"experiment", "idea", "research idea", "proposal"})

_NAMES = "|".join(name.replace(" ", "[ _-]+") for name in sorted(LABELS, key=len, reverse=True))
_DECORATION = r"[ \t#>*_•–-]{0,12}"
_NUMBERING = rf"{_DECORATION}(?:\(?\d{{1,3}}[.):]\)?{_DECORATION})?"
_AFTER = r"[*_ \t]{0,6}(?P<sign>[:：—–.-]?)[*_ \t]{0,6}"
_BRACKETED = re.compile(
    rf"(?<![\w`])[\[【［] *(?P<name>{_NAMES})(?: *#?(?P<number>\d{{1,3}}))? *[\]】］]"
    r"[*_]{0,3}[:：]?",
    re.IGNORECASE,
)
_BEFORE = re.compile(_NUMBERING)
_LABEL = re.compile(
    rf"(?P<before>{_NUMBERING})(?P<name>{_NAMES})(?:[ \t]*#?(?P<number>\d{{1,3}}))?(?!\w){_AFTER}",
    re.IGNORECASE,
)
_ITEM = re.compile(rf"{_DECORATION}\(?(?P<number>\d{{1,3}})[.):]\)?(?=[\s*_]){_DECORATION}")
_FENCE = re.compile(r"\s*(?:```|~~~)")


class Mark(NamedTuple):
    """A label, or a numbered line (an `item`); the text behind it begins at `end`."""

    kind: Kind
    name: str
    number: int | None
    start: int
    end: int


def find_marks(text: str) -> Iterator[Mark]:
    """All marks in order."""
    begin, fenced = 0, False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        for mark in _marks_in(line, fenced):
            yield mark._replace(start=begin + mark.start, end=begin + mark.end)
        begin += len(line) + 1


def first_label(text: str) -> int:
    """Where the first label begins; the length of a text without any."""
    starts = (mark.start for mark in find_marks(text) if mark.kind != "item")
    return next(starts, len(text))


def label_kind(name: str) -> Kind | None:
    """What a label means, however its words are joined; None for one that is unknown."""
    return LABELS.get(_normal(name))


def _marks_in(line: str, fenced: bool) -> Iterator[Mark]:
    bracketed = list(_BRACKETED.finditer(line))
    if bracketed:
        before = _BEFORE.match(line)
        for place, match in enumerate(bracketed):
            leads = place == 0 and before is not None and before.end() == match.start()
            if leads or not fenced:
                yield _mark(match, 0 if leads else match.start())
    elif fenced:
        return
    elif (label := _LABEL.match(line)) and _is_label(label, line):
        yield _mark(label, 0)
    elif item := _ITEM.match(line):
        yield Mark("item", "", int(item["number"]), 0, item.end())


def _mark(match: re.Match[str], start: int) -> Mark:
    name = _normal(match["name"])
    number = int(match["number"]) if match["number"] else None
    return Mark(LABELS[name], name, number, start, match.end())


def _is_label(label: re.Match[str], line: str) -> bool:
    """Whether a line that begins like a label is one, and no sentence that begins so."""
    name, sign = _normal(label["name"]), label["sign"]
    stands_out = any(mark in label["before"] for mark in "#*_")
    alone = label.end() == len(line.rstrip())
    if name == "end":
        return False
    if label["number"] and LABELS[name] == "experiment":
        return bool(sign) or alone
    return sign in {":", "："} or (stands_out and (alone or sign in {"—", "–"}))


def _normal(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().lower()
