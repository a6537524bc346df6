"""The loop that every search shares: ask, execute through the environment, learn, repeat.

    result = await search(recipe, executor, ideator, on_outcome=print)
    result.best.outcome.reward, result.baseline

It keeps no state but the store's: ideas are named by epoch and place (`003-001`), so the same
recipe again finds the ones that exist, asks for the missing ones, and goes on where it ended.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from executor import Executor, Idea, Outcome
from executor.budget import BASELINE
from executor.errors import UserError
from gym_envs import ResearchEnv
from ideator_rl.ideators.ideator import Executed, Ideator, Proposal, Request
from ideator_rl.recipe import SearchRecipe
from ideator_rl.search.best_of_n import best_of_n
from ideator_rl.search.evolution import evolution
from ideator_rl.search.method import Method
from ideator_rl.search.sequential import sequential

METHODS: Mapping[str, Method] = {
    "evolution": evolution,
    "best_of_n": best_of_n,
    "sequential": sequential,
}


@dataclass(frozen=True)
class SearchResult:
    """What a search found. `baseline` is the mean reward over `baselines`, one a seed."""

    baselines: Sequence[Outcome]
    executed: Sequence[Executed]

    @property
    def baseline(self) -> float:
        return mean_reward(self.baselines)

    @property
    def best(self) -> Executed | None:
        """The completed idea with the highest reward; None where none completed."""
        completed = [entry for entry in self.executed if entry.outcome.completed]
        return max(completed, key=lambda entry: entry.outcome.reward, default=None)


async def search(
    recipe: SearchRecipe,
    executor: Executor,
    ideator: Ideator,
    on_outcome: Callable[[Idea, Outcome], None],
) -> SearchResult:
    """Runs a search until its budget of ideas or seconds is used up.

    Raises UserError when the baseline itself does not complete.
    """
    # The baseline and the first ideas share the slots; nothing of epoch 0 depends on its reward.
    seeds = range(recipe.seed, recipe.seed + recipe.executor.baseline_seeds)
    baselines = asyncio.create_task(run_baselines(executor, seeds, on_outcome))
    baseline = math.nan
    executed: list[Executed] = []
    epoch = 0
    while len(executed) < recipe.budget.ideas:
        size = min(recipe.search.epoch_size, recipe.budget.ideas - len(executed))
        ideas = await _next_ideas(recipe, executor, ideator, epoch, size, executed, baseline)
        if not ideas:
            break
        outcomes, _ = await asyncio.gather(execute(executor, ideas, on_outcome), baselines)
        baseline = mean_reward(baselines.result())
        executed += map(Executed, ideas, outcomes)
        epoch += 1
    finished = [entry for entry in executed if entry.outcome.status != "cancelled"]
    return SearchResult(await baselines, finished)


def mean_reward(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(outcome.reward for outcome in outcomes)


async def run_baselines(
    executor: Executor, seeds: Iterable[int], on_outcome: Callable[[Idea, Outcome], None]
) -> list[Outcome]:
    """The unchanged codebase once a seed. Raises UserError when one of them does not complete."""
    futures = [asyncio.wrap_future(executor.submit_baseline(seed)) for seed in seeds]
    outcomes = await asyncio.gather(*futures)
    for outcome in outcomes:
        on_outcome(Idea(BASELINE, "", origin=BASELINE), outcome)
    failed = [outcome for outcome in outcomes if not outcome.completed]
    if any(outcome.status == "cancelled" for outcome in failed):
        raise UserError(f"{failed[0].detail} before the baseline has run; raise --budget.seconds")
    if failed:
        raise UserError(
            f"the baseline of {executor.problem.name} did not complete "
            f"({failed[0].status}: {failed[0].detail}); run: ideator-rl envs check "
            f"{executor.problem.path}"
        )
    return outcomes


async def _next_ideas(
    recipe: SearchRecipe,
    executor: Executor,
    ideator: Ideator,
    epoch: int,
    size: int,
    executed: Sequence[Executed],
    baseline: float,
) -> list[Idea]:
    """The ideas of an epoch: those that the store has, and others for the empty places.

    When the run's time is up there are no others, so that what it had can still be read.
    """
    rng = Random(f"{recipe.seed}/{epoch}")
    method = METHODS[recipe.search.method]
    parts = method(epoch, size, executed, baseline, rng)
    names = [f"{epoch:03d}-{place:03d}" for place in range(sum(part.count for part in parts))]
    stored = [executor.run.idea(name) for name in names]
    if all(stored) or executor.seconds_left() <= 0:
        return [idea for idea in stored if idea is not None]

    proposals: list[tuple[str, Proposal]] = []
    seen = [entry.idea for entry in executed]
    for part in parts:
        request = Request(part.mode, part.count, part.history, seen, baseline, rng)
        found = list(await ideator.propose(request))[: part.count]
        proposals += [(part.mode, proposal) for proposal in found]
        seen += [Idea("", proposal.text, meta=proposal.meta) for proposal in found]
    return [
        idea or Idea(name, new.text, epoch, mode, new.parents, new.meta)
        for name, idea, (mode, new) in zip(names, stored, proposals, strict=False)
    ]


async def execute(
    executor: Executor,
    ideas: Sequence[Idea],
    on_outcome: Callable[[Idea, Outcome], None],
) -> list[Outcome]:
    """One step of one environment for each idea, all on the shared executor."""

    async def step(idea: Idea) -> Outcome:
        env = ResearchEnv(executor.problem, executor=executor)
        env.reset()
        _, _, _, _, info = await env.astep(idea)
        on_outcome(idea, info["outcome"])
        return info["outcome"]

    return list(await asyncio.gather(*map(step, ideas)))
