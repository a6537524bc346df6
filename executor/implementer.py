"""An idea becomes a patched codebase.

implementation = await DirectImplementer(problem).implement(idea)
implementation.status        # "completed", "not_implemented" or "rejected"
implementation.files         # the patched tree; `diff` is the canonical git diff
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from executor.edits import EditError, ForbiddenEdit, apply_edits, canonical_diff
from executor.problem import Problem
from executor.records import Idea, Implementation, Outcome, Turn


class Implementer(Protocol):
    """Never raises for what an idea says: an idea that cannot be implemented is an outcome."""

    async def implement(self, idea: Idea) -> Implementation:
        """The patched tree, or why there is none."""

    async def repair(
        self, idea: Idea, exchange: Sequence[Turn], outcome: Outcome, log: str
    ) -> Implementation | None:
        """Another tree for an idea whose training crashed, or None where the crash is to stand.
        `exchange` is what led to the tree that crashed, `log` the end of what it printed."""

    async def close(self) -> None:
        """Gives back what it holds; on the event loop that `implement` ran on."""


class DirectImplementer:
    """For ideas that carry their own edits; no language model."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    async def implement(self, idea: Idea) -> Implementation:
        return await asyncio.to_thread(apply_idea, self._problem, idea.text)

    async def repair(
        self, idea: Idea, exchange: Sequence[Turn], outcome: Outcome, log: str
    ) -> Implementation | None:
        """None: nobody is there to ask."""
        return None

    async def close(self) -> None:
        """Nothing is held."""


def apply_idea(problem: Problem, text: str) -> Implementation:
    """Applies the edits in an idea's text to the baseline, all or none."""
    allowed = problem.file.files
    try:
        files = apply_edits(
            problem.codebase, text, editable=allowed.editable, frozen=allowed.frozen
        )
    except ForbiddenEdit as error:
        return Implementation("rejected", detail=str(error))
    except EditError as error:
        return Implementation("not_implemented", detail=str(error))
    return Implementation("completed", files, canonical_diff(problem.codebase, files))
