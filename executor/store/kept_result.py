"""What a codebase led to, as a file of `results/`: no other process on the store runs it again."""

from __future__ import annotations

from typing import Any

import msgspec

from executor.records import Outcome
from executor.settings import convert


class KeptResult(msgspec.Struct):
    """A file of `results/`: an outcome, the path of its log, and the log's text, which earlier
    versions left out. With it the log can be written at the same time, and again after a kill.
    Anything in the file that is of another type makes it none."""

    outcome: Outcome
    log: str
    text: str | None = None


def kept_result(data: Any, content_hash: str) -> KeptResult:
    """Raises ValueError for anything else than what was kept for this codebase."""
    kept = convert(data, KeptResult)
    if kept.outcome.content_hash != content_hash:
        raise ValueError("the result of another codebase")
    return kept
