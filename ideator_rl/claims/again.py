"""Executes claimed ideas here: what comes of it is this store's own.

outcomes = execute_claims(executor, claims, on_outcome=print)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import replace

from executor import Executor, Idea, Implementation, Outcome, Problem
from executor.implementer.implementer import DirectImplementer
from ideator_rl.claims.claim import Claim, as_idea


class AsClaimed(DirectImplementer):
    """Makes of an idea the codebase that its claim's diff says, held to the rules of any other;
    without a diff the idea has to carry its own edits."""

    def __init__(self, problem: Problem, claims: Sequence[Claim]) -> None:
        super().__init__(problem)
        self._diffs = {claim.id: claim.diff for claim in claims}

    async def implement(self, idea: Idea, base: Mapping[str, str] | None = None) -> Implementation:
        claimed = replace(idea, text=self._diffs.get(idea.id) or idea.text)
        return await super().implement(claimed, base)


def execute_claims(
    executor: Executor, claims: Sequence[Claim], on_outcome: Callable[[Idea, Outcome], None]
) -> list[Outcome]:
    """Runs what has not run. Returns the outcomes as they come. Raises StoreError."""
    futures = {executor.submit(as_idea(claim)): as_idea(claim) for claim in claims}
    outcomes = []
    for future in as_completed(futures):
        outcomes.append(future.result())
        on_outcome(futures[future], outcomes[-1])
    return outcomes
