"""An ideator of another package, held to the contract.

    ideator = PluginIdeator(PluginSettings("my_package:Mine"), problem, "ideator")

What it raises, and what it gives that is no proposal, ends the run in one line.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing

from executor.errors import UserError
from executor.problem.problem import Problem
from executor.records import Idea
from ideator_rl.ideators.ideator import IdeaRequest, Ideator, Proposal
from ideator_rl.plugins.plugins import PluginSettings, open_plugin, raised


class PluginIdeator:
    """`where` is the section of the recipe that names it. Raises UserError as `open_plugin`."""

    def __init__(self, settings: PluginSettings, problem: Problem, where: str) -> None:
        self._ideator: Ideator = open_plugin("ideator", where, settings, problem)
        self._where, self._name = where, settings.name

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        """Its proposals; see `Ideator`."""
        try:
            asked = self._ideator.propose(request)
            if not hasattr(asked, "aclose"):
                if inspect.iscoroutine(asked):
                    asked.close()  # or Python warns that nobody awaited it
                raise TypeError("propose has to be an async generator: async def with yield")
            async with aclosing(asked) as batches:
                async for batch in batches:
                    yield [self._checked(proposal) for proposal in batch]
        except Exception as error:  # whatever a package does
            raise raised(self._where, self._name, error) from error

    async def close(self) -> None:
        try:
            await self._ideator.close()
        except Exception as error:
            raise raised(self._where, self._name, error) from error

    def _checked(self, proposal: object) -> Proposal:
        if not isinstance(proposal, Proposal) or not isinstance(proposal.text, str):
            kind = type(proposal).__name__
            raise UserError(
                f"{self._where}: the plug-in {self._name} gave a {kind} for an idea; it has to "
                "yield lists of ideator_rl.ideators.Proposal with a text"
            )
        try:
            Idea("", proposal.text, 0, "", tuple(proposal.parents), proposal.meta).to_json()
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{self._where}: the plug-in {self._name} gave an idea that cannot be stored: "
                f"{error}"
            ) from error
        return proposal
