"""The loop of every search: ask the ideator, execute its ideas, show it the outcomes, repeat.

    result = await search(recipe, executor, ideator, on_outcome=print)
    result.best.outcome.reward, result.baseline

Ideas are executed as soon as they exist, while the ideator writes the next ones. With
`search.pipeline: epochs` an epoch is asked for when all of the one before has ended, with
`continuous` as soon as too few ideas wait to keep every slot busy.

All its state is in the store: ideas are named by epoch and index (`003-001`), and the inputs of
each epoch are recorded, so the same recipe again finds the ideas that exist, asks for the missing
ones, and goes on where it ended.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from executor import Executor, Idea, Outcome
from executor.errors import UserError
from executor.llm.records import BudgetSpent
from executor.store.threads import in_thread
from executor.tasks.task_group import task_group
from executor.trial_keys import BASELINE
from ideator_rl.ideators.ideator import Executed, GaveUp, Ideator
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.epochs import Epochs
from ideator_rl.search.history import load_history

# Ideas on their way for each slot: one that runs, and one that is implemented meanwhile.
AHEAD = 2


@dataclass(frozen=True)
class SearchResult:
    """What a search found. `baseline` is the mean reward over `baselines`, one a seed; `ended` says
    why there are fewer ideas than the recipe asks for, where money or new ideas ran out."""

    baselines: Sequence[Outcome]
    executed: Sequence[Executed]
    ended: str = ""

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

    Where the language models' budget or the ideator's ideas end before, what is under way is
    executed still. Raises UserError when the baseline itself does not complete, and for what no
    further idea would mend.
    """
    shared = executor.store, executor.problem, recipe.search.history
    earlier = await in_thread(load_history, executor.run, *shared)
    executed: dict[str, Executed] = {}
    running: set[str] = set()
    ended: list[str] = []
    progress = asyncio.Event()

    async def run(idea: Idea) -> None:
        try:
            outcome = await execute_idea(executor, idea, on_outcome)
            if outcome.status != "cancelled":
                executed[idea.id] = Executed(idea, outcome)
        except BudgetSpent as error:
            ended.append(str(error))
        finally:
            running.discard(idea.id)
            progress.set()

    async with task_group() as tasks:
        # It shares the slots with the first ideas: nothing of epoch 0 depends on its reward.
        seeds = range(recipe.seed, recipe.seed + recipe.executor.baseline_seeds)
        baselines = tasks.create_task(run_baselines(executor, seeds, on_outcome))
        baselines.add_done_callback(lambda _: progress.set())
        await trial_or_end(executor, baselines)
        known = executor.problem.codebase, executor.begun, earlier
        epochs = await in_thread(Epochs, recipe, executor.run, *known)
        ahead = recipe.search.ahead or AHEAD * executor.slots

        def may_ask() -> bool:
            if (shown := epochs.recorded()) is not None:
                known = baselines.done() or not shown.baseline
                return known and not running.intersection(shown.ideas)
            if recipe.search.pipeline == "continuous":
                return len(running) < ahead
            return not running and (baselines.done() or epochs.number == 0)

        while epochs.ideas_left and not ended:
            if not may_ask():
                progress.clear()
                await progress.wait()
                continue
            baseline = mean_reward(baselines.result()) if baselines.done() else math.nan
            # When the run's time is up there are no other ideas than those that it has.
            asked = ideator if executor.seconds_left() > 0 else None
            before = epochs.ideas_left
            try:
                # Whatever could change what the epoch is shown has ended.
                beside = tasks if baselines.done() and not running else None
                async with aclosing(epochs.ideas(asked, executed, baseline, beside)) as batches:
                    async for ideas in batches:
                        if ended:
                            break
                        running.update(idea.id for idea in ideas)
                        for idea in ideas:
                            tasks.create_task(run(idea))
            except (BudgetSpent, GaveUp) as error:
                ended.append(str(error))
            if epochs.ideas_left == before:
                break
    if ended and not executed:
        raise UserError(ended[0])
    finished = [executed[key] for key in sorted(executed)]
    return SearchResult(baselines.result(), finished, ended[0] if ended else "")


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


async def trial_or_end(executor: Executor, work: asyncio.Task) -> None:
    """Returns when the first trial has begun, or work is over that needs none. Whoever writes ideas
    or code may first import for seconds what the first trial would have to wait for."""
    begins = asyncio.create_task(executor.first_trial())
    try:
        await asyncio.wait((begins, work), return_when=asyncio.FIRST_COMPLETED)
    finally:
        begins.cancel()


async def execute_idea(
    executor: Executor, idea: Idea, on_outcome: Callable[[Idea, Outcome], None]
) -> Outcome:
    """What a step of an environment does, without one: Gymnasium costs as much as 200 ideas."""
    outcome = await asyncio.wrap_future(executor.submit(idea))
    on_outcome(idea, outcome)
    return outcome


async def execute(
    executor: Executor, ideas: Sequence[Idea], on_outcome: Callable[[Idea, Outcome], None]
) -> list[Outcome]:
    """All ideas at once, on the shared executor; outcomes in the same order."""
    steps = (execute_idea(executor, idea, on_outcome) for idea in ideas)
    return list(await asyncio.gather(*steps))
