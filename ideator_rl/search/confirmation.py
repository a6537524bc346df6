"""Confirmation: the winners of a search run again on fresh seeds, side by side with the baseline.

    found = await confirm(executor, make_plan(recipe, result), result, on_outcome=print)
    print(found)     # 2 of 3 winners survive on 3 fresh seeds each, …

Every re-run is a trial of its own, `<id>.seed<n>` in the store, and uses no idea budget. The plan
is a function of the recipe and of what was executed, so the same command again finds what ran.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from random import Random

from executor import Executor, Idea, Outcome
from executor.store.threads import in_thread
from executor.trial_keys import BASELINE
from ideator_rl.analysis.confirmed import Confirmation, Plan, judge, keep_plan
from ideator_rl.ideators.ideator import Executed
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.loop import SearchResult
from ideator_rl.search.method import above_baseline

# Fresh seeds come from this range, far from the small seeds that people choose.
_SEEDS = range(100_000, 1_000_000)


def make_plan(recipe: SearchRecipe, result: SearchResult) -> Plan:
    """The best `confirm.top` ideas and `confirm.seeds` seeds that this run has not used."""
    chosen = tuple(entry.idea.id for entry in winners(result)[: recipe.confirm.top])
    return Plan(chosen, fresh_seeds(recipe, chosen) if chosen else (), len(result.executed))


def winners(result: SearchResult) -> list[Executed]:
    """Completed ideas above the baseline, the best first; the first idea of each codebase.

    An idea whose codebase is the baseline's is none.
    """
    known = {outcome.content_hash for outcome in result.baselines}
    found = []
    above = above_baseline(result.executed, result.baseline)
    for entry in sorted(above, key=lambda entry: entry.outcome.reward, reverse=True):
        if entry.outcome.content_hash not in known:
            known.add(entry.outcome.content_hash)
            found.append(entry)
    return found


def fresh_seeds(recipe: SearchRecipe, ideas: tuple[str, ...]) -> tuple[int, ...]:
    """`confirm.seeds` seeds, those of a smaller number first.

    Other ideas or another run get other seeds: nothing measured at another time, when the machine
    was faster or slower, may stand in for a trial that is to run side by side.
    """
    begin = Random(f"{recipe.run} {recipe.seed} {' '.join(ideas)}").choice(_SEEDS)
    used = range(recipe.seed, recipe.seed + recipe.executor.baseline_seeds)
    fresh = (seed for seed in itertools.count(begin) if seed not in used)
    return tuple(itertools.islice(fresh, recipe.confirm.seeds))


async def confirm(
    executor: Executor,
    plan: Plan,
    result: SearchResult,
    on_outcome: Callable[[Idea, Outcome], None],
    codebases: Mapping[str, Mapping[str, str]] | None = None,
) -> Confirmation:
    """Runs what a plan asks for and is not in the store, and judges.

    `codebases` are those of the winners, by idea, where the executor's problem is another one than
    that of the search, see `other_problem.py`. Cancelled trials (the run's budget of seconds is
    used up) leave the confirmation incomplete.
    """
    await in_thread(keep_plan, executor.run, plan)
    ideas = {entry.idea.id: entry for entry in result.executed}
    # Not all at once: trials start in the plan's order, however long implementing an idea takes.
    turns = asyncio.Semaphore(executor.slots)

    async def trial(name: str, seed: int) -> Outcome:
        async with turns:
            if name == BASELINE:
                idea = Idea(BASELINE, "", origin=BASELINE)
                future = executor.submit_baseline(seed, priority=0, final=True)
            else:
                idea = ideas[name].idea
                if codebases is None:
                    future = executor.submit(idea, seed=seed, final=True)
                else:
                    future = executor.submit_codebase(idea, codebases[name], seed=seed, final=True)
            outcome = await asyncio.wrap_future(future)
        on_outcome(idea, outcome)
        return outcome

    order = list(plan.order())
    outcomes = await asyncio.gather(*(trial(name, seed) for name, seed in order))
    first = {name: entry.outcome.reward for name, entry in ideas.items()}
    return judge(
        plan, first if codebases is None else None, dict(zip(order, outcomes, strict=True))
    )
