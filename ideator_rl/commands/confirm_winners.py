"""The end of a search, shown while it runs: its winners on fresh seeds, or as another problem."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from executor import Executor, Idea, Outcome, Problem
from executor.store.runs import RunFolder
from ideator_rl.analysis.confirmed import Confirmation, Plan, keep_link
from ideator_rl.kept.recipe import keep_recipe
from ideator_rl.open_executor import open_executor
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.report.report import write_report
from ideator_rl.search.confirmation import confirm
from ideator_rl.search.loop import SearchResult
from ideator_rl.search.other_problem import carried, other_recipe
from ideator_rl.terminal.progress import progress
from ideator_rl.terminal.terminal import warn
from ideator_rl.tracking import Tracker

# The least time that an executor takes.
_NO_TIME_S = 0.001


async def confirm_winners(
    executor: Executor,
    plan: Plan,
    result: SearchResult,
    tracker: Tracker,
    codebases: Mapping[str, Mapping[str, str]] | None = None,
) -> Confirmation:
    """Runs what a plan asks for, see `confirm`, and tracks what it found."""
    trials = len(list(plan.order()))
    if trials:
        whose = "" if codebases is None else f" of {executor.problem.name}"
        warn(
            f"confirming {len(plan.ideas)} of the ideas on {len(plan.seeds)} fresh seeds, side by "
            f"side with the baseline{whose}: {trials} trials"
        )
    with progress(trials, "confirming") as show:

        def on_outcome(idea: Idea, outcome: Outcome) -> None:
            if outcome.status != "cancelled":
                show(replace(idea, origin=f"seed {outcome.seed}"), outcome)

        found = await confirm(executor, plan, result, on_outcome, codebases)
    if found.state == "done":
        tracker.summarize(found.figures())
    return found


def confirm_as(
    recipe: SearchRecipe,
    problem: Problem,
    other: Problem,
    searched: RunFolder,
    plan: Plan,
    result: SearchResult,
    seconds_left: float,
    tracker: Tracker,
) -> Confirmation:
    """The same as another problem, in a run of its own beside the search's, with its own report.

    `seconds_left` is what the search has left of its budget of time.
    """
    codebases = {
        name: carried(searched.codebase(name) or {}, problem, other) for name in plan.ideas
    }
    own = other_recipe(recipe, other)
    seconds = None if recipe.budget.seconds is None else max(seconds_left, _NO_TIME_S)
    with open_executor(own, other, seed=own.seed, max_seconds=seconds) as executor:
        keep_recipe(executor.run, own)
        keep_link(searched, executor.run)
        found = asyncio.run(confirm_winners(executor, plan, result, tracker, codebases))
    write_report(executor.run)
    return found
