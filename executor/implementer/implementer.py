"""An idea becomes a patched codebase.

>>> from executor.problem.problem import load_problem
>>> made = apply_idea(load_problem("gym_envs/digits"), "learning_rate: 0.005 -> 0.05")
>>> made.status, sorted(made.files)         # `made.diff` is the canonical git diff
('completed', ['model.py', 'serve.py', 'train.py'])
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from executor import edits
from executor.edits.errors import EditError, ForbiddenEdit
from executor.edits.regions import frozen_changes
from executor.implementer.added_text import too_much_added
from executor.problem.problem import Problem
from executor.records import Idea, Implementation, Outcome, Turn

LONGEST_DETAIL = 10_000


class Implementer(Protocol):
    """Turns ideas into code. An idea that cannot be implemented is a result, not an exception."""

    async def implement(self, idea: Idea, base: Mapping[str, str] | None = None) -> Implementation:
        """Patches a codebase as an idea says.

        Args:
            idea: its text is untrusted.
            base: the codebase that it changes, path to text, untrusted; None for the baseline.

        Returns:
            The patched codebase, or the reason why there is none.

        Raises:
            UserError: an error that is not the idea's, such as a budget that is spent.
        """

    async def repair(
        self,
        idea: Idea,
        exchange: Sequence[Turn],
        outcome: Outcome,
        log: str,
        base: Mapping[str, str] | None = None,
    ) -> Implementation | None:
        """Patches the codebase once more after a training crashed.

        Args:
            idea: the idea whose training crashed.
            exchange: the requests and answers that led to the codebase that crashed.
            outcome: the outcome of the crash.
            log: the end of what training printed; untrusted.
            base: as in `implement`.

        Returns:
            Another codebase, or None to keep the crash as the idea's outcome.

        Raises:
            UserError: as `implement`.
        """

    async def close(self) -> None:
        """Releases its resources. Called on the event loop that `implement` ran on."""


class DirectImplementer:
    """For ideas that carry their own edits; no language model."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    async def implement(self, idea: Idea, base: Mapping[str, str] | None = None) -> Implementation:
        return await asyncio.to_thread(apply_idea, self._problem, idea.text, base)

    async def repair(
        self,
        idea: Idea,
        exchange: Sequence[Turn],
        outcome: Outcome,
        log: str,
        base: Mapping[str, str] | None = None,
    ) -> Implementation | None:
        """None: without a language model there is no repair."""
        return None

    async def close(self) -> None:
        """Does nothing: it holds no resources."""


def apply_idea(
    problem: Problem, text: str, base: Mapping[str, str] | None = None
) -> Implementation:
    """Applies the edits in an idea's text to the baseline or another codebase, all or none."""
    allowed, before = problem.file.files, problem.codebase if base is None else base
    try:
        files = edits.apply_edits(before, text, editable=allowed.editable, frozen=allowed.frozen)
    except ForbiddenEdit as error:
        return Implementation("rejected", detail=_told(error))
    except EditError as error:
        return Implementation("not_implemented", detail=_told(error))
    return finished(problem, files, base)


def _told(error: EditError) -> str:
    """What is wrong, without the rest of an endless name or line in it."""
    text = str(error)
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def finished(
    problem: Problem, files: Mapping[str, str], base: Mapping[str, str] | None = None
) -> Implementation:
    """A patched tree as an implementation, unless it carries more than an idea may, or changes a
    frozen line.

    Every patched codebase passes here, also those of language models. However many ideas a tree
    comes from, it may not add more to the baseline than one idea may.
    """
    marks = problem.file.files.marks
    wrong = frozen_changes(problem.codebase, files, marks) if marks else ""
    if wrong := wrong or too_much_added(problem, files):
        return Implementation("rejected", detail=wrong)
    return Implementation(
        "completed",
        files,
        edits.canonical_diff(problem.codebase, files),
        base_diff="" if base is None else edits.canonical_diff(base, files),
    )
