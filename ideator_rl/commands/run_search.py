"""What `ideator-rl search` does with its recipe: search, confirm and report, or tell the price."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from executor import Executor, Idea, Outcome, Problem, Store
from executor.errors import UserError
from executor.store.runs import RunFolder
from executor.trial_keys import BASELINE
from gym_envs import find_problem
from ideator_rl.commands.sandbox_option import say_sandbox
from ideator_rl.ideators.ideator import Ideator
from ideator_rl.kept.recipe import keep_recipe
from ideator_rl.kept.weights import keep_weights
from ideator_rl.open_executor import open_executor
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.recipe.sections import LocalWorkersSettings, prompt_for
from ideator_rl.search.loop import SearchResult, search
from ideator_rl.search.methods import open_method
from ideator_rl.search.open_ideator import asked_models, open_ideator
from ideator_rl.search.other_problem import open_other
from ideator_rl.terminal.progress import progress
from ideator_rl.terminal.terminal import say, say_json, warn
from ideator_rl.tracking import Tracker, open_tracker

if TYPE_CHECKING:
    from ideator_rl.analysis.confirmed import Confirmation


def run_search(recipe: SearchRecipe, *, as_json: bool) -> int:
    """Returns the exit code. Raises UserError."""
    problem = find_problem(recipe.env, recipe.problem)
    store = Store(recipe.store)
    kept, is_new = store.run(recipe.run), recipe.run not in store.runs()
    try:
        return _run(recipe, problem, kept, as_json=as_json)
    except Exception:
        # The error that is told is the first one.
        with suppress(UserError):
            if is_new:
                kept.discard_if_empty()
        raise


def _run(recipe: SearchRecipe, problem: Problem, kept: RunFolder, *, as_json: bool) -> int:
    """Searches, confirms and reports; returns the exit code."""
    ideator = open_ideator(recipe.ideator, problem, kept, prompt_for(recipe.implementer))
    models = asked_models(ideator, recipe.ideator)
    # Where a plug-in is missing, this says so before anything starts.
    open_method(recipe.search)
    other = open_other(recipe, problem)
    if other is not None:
        # Data that are missing are better missed before the search than after it.
        other.data()
    budget = recipe.budget
    confirmation = None
    with ExitStack() as ending:
        try:
            with open_executor(
                recipe,
                problem,
                seed=recipe.seed,
                max_ideas=budget.ideas,
                max_seconds=budget.seconds,
            ) as executor:
                keep_recipe(executor.run, recipe)
                keep_weights(executor.run, models)
                tracker = open_tracker(recipe, recipe.tracking)
                ending.callback(tracker.finish)
                _say_start(executor, recipe)
                result = asyncio.run(_search(recipe, executor, ideator, tracker))
                # Not at the top: what judges runs is loaded while no trial waits for it.
                from ideator_rl.commands.confirm_winners import confirm_as, confirm_winners
                from ideator_rl.search.confirmation import make_plan

                # What goes on later confirms later: its winners may be others.
                plan = (
                    make_plan(recipe, result) if recipe.confirm.top and not result.ended else None
                )
                if plan and other is None:
                    confirmation = asyncio.run(confirm_winners(executor, plan, result, tracker))
                seconds_left = executor.seconds_left()
            # Its slots are free for the other problem's trials only then.
            if plan and other is not None:
                confirmation = confirm_as(
                    recipe, problem, other, kept, plan, result, seconds_left, tracker
                )
        except KeyboardInterrupt:
            _say_interrupted(kept)
            return 1
    from ideator_rl.report.report import write_report

    # What it has written itself it need not ask the store for.
    page = write_report(executor.run)
    _say_result(result, confirmation, recipe, str(page), other, as_json=as_json)
    if result.ended:
        warn(
            f"ideator-rl: ended after {len(result.executed)} of {recipe.budget.ideas} ideas: "
            f"{result.ended}"
        )
    return 1 if result.ended else 0


def price_search(recipe: SearchRecipe, *, as_json: bool) -> int:
    """Tells what the search will cost, and starts nothing. Raises UserError."""
    from executor.workers.local import local_slots
    from ideator_rl.estimate.estimate import estimate, print_estimate
    from ideator_rl.estimate.past_costs import read_past

    problem = find_problem(recipe.env, recipe.problem)
    other = open_other(recipe, problem)
    slots, resources = recipe.executor.slots, problem.file.resources
    if isinstance(recipe.executor.workers, LocalWorkersSettings | None):
        slots = local_slots(slots, resources.cpus, resources.gpus)
    elif slots is None:
        raise UserError("executor.slots: say how many trials run at a time")
    found = estimate(recipe, problem, read_past(recipe, problem), slots, other)
    if as_json:
        say_json(found.figures())
    else:
        print_estimate(found)
    return 0


async def _search(
    recipe: SearchRecipe, executor: Executor, ideator: Ideator, tracker: Tracker
) -> SearchResult:
    with progress(recipe.budget.ideas) as show:
        tracked = _Tracked(tracker)

        def on_outcome(idea: Idea, outcome: Outcome) -> None:
            show(idea, outcome)
            tracked.log(idea, outcome)

        try:
            return await search(recipe, executor, ideator, on_outcome)
        finally:
            await ideator.close()


class _Tracked:
    """Logs each idea once it is there, with the running best and completion rate."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._done = self._completed = 0
        self._best = float("-inf")

    def log(self, idea: Idea, outcome: Outcome) -> None:
        if idea.origin == BASELINE:
            return
        self._done += 1
        self._completed += outcome.completed
        self._best = max(self._best, outcome.reward)
        self._tracker.log(
            {
                "reward": outcome.reward,
                "best_reward": self._best,
                "completion_rate": self._completed / self._done,
                "epoch": idea.epoch,
                "trial_s": outcome.duration_s,
                **{f"metric/{name}": value for name, value in outcome.metrics.items()},
            },
            step=self._done,
        )


def _say_start(executor: Executor, recipe: SearchRecipe) -> None:
    budget = executor.problem.file.budget
    kept = len(executor.run.outcomes(executor.begun))
    method = recipe.search.name or recipe.search.method
    warn(
        f"{method} on {executor.problem.name}: {recipe.budget.ideas} ideas, "
        f"{budget.seconds:g} {budget.kind} s each, {executor.slots} at a time; "
        f"run {recipe.run} in {recipe.store}"
        + (f", going on after {kept} finished trials" if kept else "")
    )
    say_sandbox(executor.sandbox)


def _say_interrupted(run: RunFolder) -> None:
    kept = len(run.outcomes(run.trials()))
    warn(
        f"\ninterrupted; {kept} finished trials are kept in {run.url}. "
        "The same command goes on from there."
    )


def _say_result(
    result: SearchResult,
    confirmation: Confirmation | None,
    recipe: SearchRecipe,
    page: str,
    other: Problem | None,
    *,
    as_json: bool,
) -> None:
    if as_json:
        best = result.best
        say_json(
            {
                "run": recipe.run,
                "executed": len(result.executed),
                "completed": sum(e.outcome.completed for e in result.executed),
                "baseline_rewards": [outcome.reward for outcome in result.baselines],
                "ended": result.ended or None,
                "best": json.loads(best.outcome.to_json()) if best else None,
                "confirmation": confirmation
                and {
                    "state": confirmation.state,
                    "as": other.name if other else recipe.env,
                    **asdict(confirmation),
                },
                "report": page,
            }
        )
        return
    from ideator_rl.search.result_table import print_confirmation, print_result

    print_result(result)
    if confirmation is not None:
        if other is not None:
            say(f"as {other.name}, where the reward is {other.file.reward.in_words()}:")
        print_confirmation(confirmation)
    say(f"\nreport: {page}")
