"""Texts as lines with their endings. Only a line feed ends a line: form feeds and the like stay."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from executor.edits.errors import TooMuchWork
from executor.edits.likeness import Matcher


class Row(NamedTuple):
    """One line of a file: its text, and "\\n", "\\r\\n" or, at the file's end, ""."""

    text: str
    ending: str


def split_rows(text: str) -> list[Row]:
    *whole, last = text.split("\n")
    rows = [Row(t[:-1], "\r\n") if t.endswith("\r") else Row(t, "\n") for t in whole]
    return [*rows, Row(last, "")] if last else rows


def join_rows(rows: Iterable[Row]) -> str:
    return "".join(text + ending for text, ending in rows)


def bare(line: str) -> str:
    """A line of an idea without the carriage return that some writers send."""
    return line.removesuffix("\r")


def changed_ranges(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """The ranges (i1, i2, j1, j2) where old[i1:i2] became new[j1:j2], in order, without overlap.

    Where finding out what they have in common is too much work, all between their equal heads and
    tails is one change.
    """
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    try:
        opcodes = Matcher(None, middle_old, middle_new).get_opcodes()
    except TooMuchWork:
        return [(head, len(old) - tail, head, len(new) - tail)]
    return [
        (i1 + head, i2 + head, j1 + head, j2 + head)
        for tag, i1, i2, j1, j2 in opcodes
        if tag != "equal"
    ]
