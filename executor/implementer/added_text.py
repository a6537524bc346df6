"""How much text a patched tree adds to its baseline: an idea tells changes, and carries no data.

Compressed size bounds what can be carried, whatever it is packed in: tables of answers, weights,
texts known by heart. Code is far below the bound, since most of it repeats what is there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from functools import lru_cache

from executor.problem.problem import Problem

KIB = 1024


def added_bytes(problem: Problem, files: Mapping[str, str]) -> int:
    """By how many bytes a tree's compressed text is larger than the baseline's; may be negative.

    Paths count as text. Frozen files do not count: they run as the problem has them.
    """
    return _compressed(_joined(problem, files)) - _of_baseline(_joined(problem, problem.codebase))


def too_much_added(problem: Problem, files: Mapping[str, str]) -> str:
    """Why a tree carries too much, in one line; "" if it does not."""
    allowed, added = problem.file.files.added_kib, added_bytes(problem, files)
    if added <= allowed * KIB:
        return ""
    return (
        f"the edits add {math.ceil(added / KIB)} KiB of compressed text; this problem allows "
        f"{allowed}: an idea says what to change, it does not carry data"
    )


def _joined(problem: Problem, files: Mapping[str, str]) -> bytes:
    texts = (f"{p}\0{text}\0" for p, text in sorted(files.items()) if not problem.is_frozen(p))
    return "".join(texts).encode()


def _compressed(text: bytes) -> int:
    return len(zlib.compress(text, 9))


# Once a baseline, of the few that one process has.
_of_baseline = lru_cache(maxsize=8)(_compressed)
