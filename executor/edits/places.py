"""What a match is, and how added lines are indented when a hunk stands further left or right."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from executor.edits.records import Hunk, Line

TAB = 4


class Change(NamedTuple):
    """How the indentation of added lines changes: `cut` goes, then `pad` comes."""

    cut: str = ""
    pad: str = ""

    def fits(self, text: str) -> bool:
        return not text.strip() or text.startswith(self.cut)

    def applied(self, text: str) -> str:
        return self.pad + text.removeprefix(self.cut) if text.strip() else text


class Match(NamedTuple):
    """For each old line of a hunk the file's line that it stands for; None: it is not there."""

    at: tuple[int | None, ...]
    change: Change = Change()

    @classmethod
    def whole(cls, start: int, count: int) -> "Match":
        return cls(tuple(range(start, start + count)))

    @property
    def first(self) -> int:
        return next(i for i in self.at if i is not None)


def with_spaces(hunk: Hunk) -> Hunk:
    """The hunk, if tabs indent what it quotes, with four spaces for each."""
    if not any(line.text.startswith("\t") for line in hunk.old):
        return hunk

    def spaced(line: Line) -> Line:
        indent = _indent(line.text)
        return line._replace(text=indent.expandtabs(TAB) + line.text[len(indent) :])

    return replace(hunk, lines=tuple(map(spaced, hunk.lines)))


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def indentation(text: str, there: str) -> Change | None:
    """The change that turns the indentation of `text` into the one found in the file."""
    mine, its = _indent(text), _indent(there)
    if its.endswith(mine):
        return Change(pad=its[: len(its) - len(mine)])
    if mine.endswith(its):
        return Change(cut=mine[: len(mine) - len(its)])
    return None


def indent_change(hunk: Hunk, pairs: Iterable[tuple[Line, str]]) -> Change | None:
    """How to indent the added lines, given old lines and what stands in the file; None: unclear.

    Added lines follow the removed ones. Context that is one space short has lost a diff's leading
    space, which says nothing about the added lines.
    """
    removed: set[Change | None] = set()
    context: set[Change | None] = set()
    for line, there in pairs:
        (removed if line.tag == "-" else context).add(indentation(line.text, there))
    if not removed and hunk.is_diff and context <= {Change(), Change(pad=" ")}:
        return Change()
    changes = removed or context
    if len(changes) != 1:
        return None
    change = changes.pop()
    if change is None or not all(change.fits(ln.text) for ln in hunk.lines if ln.tag == "+"):
        return None
    return change
