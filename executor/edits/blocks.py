"""SEARCH/REPLACE blocks.

<<<<<<< SEARCH
old lines
=======
new lines
>>>>>>> REPLACE
"""

import re
from typing import NamedTuple

from executor.edits.errors import EditError
from executor.edits.lines import bare, changed_ranges
from executor.edits.records import Hunk, Line

OPENING = re.compile(
    r"\s*(<{5,9}(?=\s*(?:SEARCH|ORIGINAL|HEAD|OLD)\b)|-{5,9}(?=\s*SEARCH\b))\s*\w+[>:\s]*(.*)$"
)
DIVIDER = re.compile(r"\s*(={5,9})\s*$")
CLOSING = re.compile(r"\s*(?:>{5,9}\s*(?:[A-Za-z].*)?|\+{5,9}\s*REPLACE\b.*)$")


class Block(NamedTuple):
    """A parsed block: an empty `hunk.old` means a new file."""

    hunk: Hunk
    named: str  # a file name written behind SEARCH, or ""
    end: int  # index of the row behind it


def read_block(rows: list[str], start: int, number: int) -> Block:
    """The block whose opening marker is rows[start]."""
    name = f"block {number}"
    where = f"SEARCH/REPLACE {name} (line {start + 1} of the idea)"
    opening = OPENING.match(bare(rows[start]))
    assert opening is not None
    end, dividers = start + 1, []
    while end < len(rows) and not CLOSING.match(rows[end]):
        if OPENING.match(bare(rows[end])):
            raise EditError(f"{where} is not closed: write `>>>>>>> REPLACE` before the next block")
        if divider := DIVIDER.match(bare(rows[end])):
            dividers.append((end, len(divider[1])))
        end += 1
    if end == len(rows):
        raise EditError(f"{where} is not closed: end it with a line `>>>>>>> REPLACE`")
    if len(dividers) > 1:  # a line of the code may look like a divider of another length
        dividers = [d for d in dividers if d[1] == len(opening[1])]
    if len(dividers) != 1:
        raise EditError(
            f"{where} has {len(dividers)} dividers: exactly one line `=======` must separate "
            "the old lines from the new ones"
        )
    [(middle, _)] = dividers
    rows_are_crlf = rows[start].endswith("\r")
    lines = _lines(rows[start + 1 : middle], rows[middle + 1 : end], rows_are_crlf)
    return Block(Hunk(name, start + 1, lines), opening[2].strip("`*\"': \t"), end + 1)


def _lines(old: list[str], new: list[str], rows_are_crlf: bool) -> tuple[Line, ...]:
    """Old and new rows as one hunk, in which what both have stays as the file has it."""
    carriage_returns_count = not rows_are_crlf and any(r.endswith("\r") for r in [*old, *new])

    def line(tag: str, row: str) -> Line:
        ending = "\r\n" if row.endswith("\r") else "\n"
        return Line(tag, bare(row), ending if carriage_returns_count else None)

    if not any(bare(row).strip() for row in old):
        return tuple(line("+", row) for row in new)
    lines: list[Line] = []
    done = 0
    for i1, i2, j1, j2 in changed_ranges(old, new):
        lines += [line(" ", row) for row in old[done:i1]]
        lines += [line("-", row) for row in old[i1:i2]]
        lines += [line("+", row) for row in new[j1:j2]]
        done = i2
    return (*lines, *(line(" ", row) for row in old[done:]))
