"""Two features of an idea's code, which tell kinds of changes apart without a language model.

    >>> code_cell("--- a/train.py\\n+++ b/train.py\\n@@ -1 +1 @@\\n-rate = 0.1\\n+rate = 0.5\\n")
    Cell(size=0, kind='values')

`size` is the number of changed lines of the baseline, in bins of 1 to 3, 4 to 15, 16 to 63, and
more. `kind` is `values` where only numbers, texts and constants differ, `parts` where a file, an
import, a function or a class is new, and else `lines`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NamedTuple

SIZES = (4, 16, 64)
_VALUE = re.compile(
    r"\"[^\"]*\"|'[^']*'|\b(?:True|False|None)\b"
    r"|-?(?<![\w.])(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
)
_PART = re.compile(r"\s*(?:(?:async\s+)?def|class|import|from)\s")


class Cell(NamedTuple):
    """A cell of an archive."""

    size: int
    kind: Literal["values", "lines", "parts"]


def code_cell(diff: str) -> Cell:
    """The cell of a change, told by its diff in git's format."""
    added: list[str] = []
    removed: list[str] = []
    in_hunk = is_new = False
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            in_hunk = False
        elif line.startswith("@@ "):
            in_hunk = True
        elif in_hunk and line.startswith("+"):
            added.append(line[1:])
        elif in_hunk and line.startswith("-"):
            removed.append(line[1:])
        is_new |= not in_hunk and line.startswith("new file ")
    size = sum(len(added) + len(removed) >= 2 * bound for bound in SIZES)
    if Counter(map(_shape, added)) == Counter(map(_shape, removed)):
        return Cell(size, "values")
    # An import or a head that only changes was there before.
    parts = sum(map(_is_part, added)) - sum(map(_is_part, removed))
    return Cell(size, "parts" if is_new or parts > 0 else "lines")


def _shape(line: str) -> str:
    return "".join(_VALUE.sub("0", line).split())


def _is_part(line: str) -> bool:
    return _PART.match(line) is not None
