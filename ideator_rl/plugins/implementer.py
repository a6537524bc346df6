"""An implementer of another package, held to the contract and to the problem's rules.

    implementer = PluginImplementer(PluginSettings("my_package:Mine"), problem)

Its files may differ from the codebase that the idea changes only where an idea's edits may; the
diffs are made here. What it raises, and what it gives that is no implementation, ends the run in
one line.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from executor.edits import ForbiddenEdit
from executor.edits.paths import check_path
from executor.errors import UserError
from executor.implementer.implementer import Implementer, finished
from executor.problem.problem import Problem
from executor.records import Idea, Implementation, Outcome, Turn
from executor.store.threads import in_thread
from ideator_rl.plugins.plugins import PluginSettings, open_plugin, raised

WHERE = "implementer"


class PluginImplementer:
    """Raises UserError as `open_plugin`."""

    def __init__(self, settings: PluginSettings, problem: Problem) -> None:
        self._implementer: Implementer = open_plugin("implementer", WHERE, settings, problem)
        self._problem, self._name = problem, settings.name

    def takes_base(self) -> bool:
        """Whether it can change other codebases than the baseline: those are an argument more."""
        return _takes(self._implementer.implement, 2) and _takes(self._implementer.repair, 5)

    async def implement(self, idea: Idea, base: Mapping[str, str] | None = None) -> Implementation:
        given = () if base is None else (base,)
        made = await self._answer(self._implementer.implement, idea, *given)
        return await self._checked(made, base)

    async def repair(
        self,
        idea: Idea,
        exchange: Sequence[Turn],
        outcome: Outcome,
        log: str,
        base: Mapping[str, str] | None = None,
    ) -> Implementation | None:
        given = () if base is None else (base,)
        made = await self._answer(self._implementer.repair, idea, exchange, outcome, log, *given)
        return None if made is None else await self._checked(made, base)

    async def close(self) -> None:
        await self._answer(self._implementer.close)

    async def _answer(self, ask: Callable[..., Awaitable[Any]], *given: object) -> Any:
        try:
            return await ask(*given)
        except Exception as error:  # whatever a package does
            raise raised(WHERE, self._name, error) from error

    async def _checked(self, made: object, base: Mapping[str, str] | None) -> Implementation:
        if not isinstance(made, Implementation) or not _are_texts(made.files):
            raise UserError(
                f"{WHERE}: the plug-in {self._name} gave a {type(made).__name__} for a codebase; "
                "it has to return an executor.Implementation, with the files as paths and texts"
            )
        if made.status != "completed":
            return made
        return replace(
            await in_thread(permitted, self._problem, made.files, base), exchange=made.exchange
        )


def permitted(
    problem: Problem, files: Mapping[str, str], base: Mapping[str, str] | None = None
) -> Implementation:
    """A patched tree as an implementation; rejected where it breaks a rule of the problem."""
    before, allowed = problem.codebase if base is None else base, problem.file.files
    changed = [p for p in sorted({*before, *files}) if before.get(p) != files.get(p)]
    try:
        for path in changed:
            check_path(path, before, allowed.editable, allowed.frozen)
    except ForbiddenEdit as error:
        return Implementation("rejected", detail=str(error))
    return finished(problem, files, base)


def _takes(method: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # some that are written in C have no signature
        return True
    return True


def _are_texts(files: object) -> bool:
    return isinstance(files, Mapping) and all(
        isinstance(path, str) and isinstance(text, str) for path, text in files.items()
    )
