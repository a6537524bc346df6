"""What a search will cost, before it starts: a pure function of recipe, problem and past.

    found = estimate(recipe, problem, read_past(recipe, problem), slots=2)
    found.stages["implementation"].expected.money, found.total.at_most.slot_s
    found.limits           # "implementer.llm.budget.money of 20 US dollars would end …"

`expected` is what earlier runs of the store suggest, and where there are none, what `assumptions`
names. `at_most` uses every sample and revision with the longest answer, and gives every trial all
its time; a budget of the recipe bounds both. Requests that fail and are sent again are in neither.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cache, partial
from operator import sub
from typing import Any, NamedTuple

from executor.llm.settings import LLMBudget, Prices
from executor.problem import Problem
from executor.problem_file import Budget
from ideator_rl.analysis.cost import Cost, total
from ideator_rl.estimate.calls import TOKENS, Plan, epochs, make_plan, worst_of
from ideator_rl.estimate.past_costs import Past, known_figures, llm_of, repaired_within_s
from ideator_rl.recipe import SearchRecipe

STAGES = ("ideation", "implementation", "baseline", "execution", "confirmation")
_ROLES = {"ideation": "ideator", "implementation": "implementer"}


class Bounds(NamedTuple):
    """Two columns of figures."""

    expected: Cost
    at_most: Cost


@dataclass(frozen=True)
class Estimate:
    """`ideas` is what the recipe asks for and `reached` how many of them its budgets are expected
    to allow, which is what the figures are about. A slot has `gpus`. Wall time is in seconds."""

    run: str
    ideas: int
    reached: int
    slots: int
    gpus: int
    priced: bool
    assumptions: tuple[str, ...]
    limits: tuple[str, ...]
    stages: Mapping[str, Bounds]
    total: Bounds
    wall_s: float
    wall_s_at_most: float

    def figures(self) -> dict[str, Any]:
        """For JSON: as the fields, with hours in place of seconds."""

        def both(bounds: Bounds) -> dict[str, dict[str, float]]:
            return {name: told(cost) for name, cost in bounds._asdict().items()}

        def told(cost: Cost) -> dict[str, float]:
            hours = cost.slot_s / 3600
            figures = {name: getattr(cost, name) for name in ("calls", *TOKENS, "money")}
            return figures | {"slot_h": hours, "gpu_h": hours * self.gpus}

        words = ("run", "ideas", "reached", "slots", "gpus", "priced", "assumptions", "limits")
        return {name: getattr(self, name) for name in words} | {
            "stages": {name: both(bounds) for name, bounds in self.stages.items()},
            "total": both(self.total),
            "wall_h": {"expected": self.wall_s / 3600, "at_most": self.wall_s_at_most / 3600},
        }


class _Run(NamedTuple):
    """A run with some number of ideas, no budget in its way: wall seconds of the search, and of
    what follows it."""

    stages: Mapping[str, Cost]
    search_s: float
    confirm_s: float


def estimate(
    recipe: SearchRecipe,
    problem: Problem,
    past: Past,
    slots: int,
    other: Problem | None = None,
) -> Estimate:
    """Starts, reads and writes nothing. `slots` are trials at a time; `other` is the problem that
    winners are confirmed as, where that is another one: each trial is expected to use its time."""
    known, assumptions = known_figures(recipe, problem, past)
    ideas, likely = recipe.budget.ideas, make_plan(recipe, problem, known)._replace(other=other)
    if other is not None:
        assumptions = (*assumptions, _confirmed_as(other))
    run = cache(lambda count: _run(likely, count, slots))
    whole, most = run(ideas), _run(worst_of(likely), ideas, slots)
    reached, would_end, bounds = ideas, [], []
    for name, limit, spent in _limits(recipe):
        if spent(whole) > limit:
            # The counts up to the last one that fits, of those from 0 on.
            fits = bisect_right(range(ideas), limit, key=lambda n: spent(run(n))) - 1
            reached = min(reached, max(0, fits))
            would_end.append(
                f"{name} would end the run after about {max(0, fits)} of {ideas} ideas; "
                f"all of them are expected to need {_said(spent(whole))}"
            )
        if spent(most) > limit:
            bounds.append(f"{name} bounds what could come to {_said(spent(most))} at most")
    expected, time = run(reached), recipe.budget.seconds or math.inf
    if reached < ideas:
        # A search that ends before its last idea confirms nothing yet.
        expected = _Run({**expected.stages, "confirmation": Cost()}, expected.search_s, 0.0)
    stages = {
        name: _bounds(expected.stages[name], most.stages[name], slots * time, _budget(recipe, name))
        for name in STAGES
    }
    columns = (total(column) for column in zip(*stages.values(), strict=True))
    wall = expected.search_s + expected.confirm_s
    return Estimate(
        run=recipe.run,
        ideas=ideas,
        reached=reached,
        slots=slots,
        gpus=problem.file.resources.gpus,
        priced=any(
            llm and llm.prices != Prices()
            for llm in map(llm_of, (recipe.ideator, recipe.implementer))
        ),
        assumptions=assumptions,
        limits=(*would_end, *bounds),
        stages=stages,
        total=Bounds(*(replace(c, slot_s=min(c.slot_s, slots * time)) for c in columns)),
        wall_s=min(wall, time),
        wall_s_at_most=min(max(wall, most.search_s + most.confirm_s), time),
    )


def _run(plan: Plan, ideas: int, slots: int) -> _Run:
    recipe, known, budget = plan.recipe, plan.known, plan.problem.file.budget
    longest = _longest_s(budget)
    trial, base = (min(known[name], longest) for name in ("trial_s", "baseline_s"))
    # A codebase that is repaired has crashed by then.
    mended = min(repaired_within_s(recipe), longest) if plan.worst else 0.0
    baselines = recipe.executor.baseline_seeds * base
    winners = min(recipe.confirm.top, ideas)
    fresh_s, fresh_base_s = trial, base
    if plan.other is not None:
        theirs = plan.other.file.budget
        fresh_s = fresh_base_s = _longest_s(theirs) if plan.worst else theirs.seconds
    again = recipe.confirm.seeds * (winners * fresh_s + fresh_base_s) if winners else 0.0

    def trials_s(count: int) -> float:
        """Wall seconds until the trials of so many ideas have ended."""
        trials = known["executed"] * count
        rounds = math.ceil(trials / slots) if plan.worst else max(trials / slots, min(trials, 1.0))
        return (trial + mended) * rounds

    asked = list(epochs(plan, ideas))
    begins = [epoch.ideation.first_s + epoch.implementation.first_s for epoch in asked]
    work = [(trials_s(e.ideas), e.ideation.seconds, e.implementation.seconds) for e in asked]
    if recipe.search.pipeline == "continuous":
        search_s = max(begins, default=0.0) + max(map(sum, zip(*work, strict=True)), default=0.0)
    else:
        # The first ideas are written, run and examined while the others are still thought of.
        firsts = ((0.0, e.ideation.first_s, e.implementation.first_s) for e in asked)
        rest = (map(sub, all_s, first_s) for all_s, first_s in zip(work, firsts, strict=True))
        search_s = sum(begins) + sum(map(max, rest))
    return _Run(
        stages={
            "ideation": total(epoch.ideation.cost for epoch in asked),
            "implementation": total(epoch.implementation.cost for epoch in asked),
            "baseline": Cost(slot_s=baselines),
            "execution": Cost(slot_s=known["executed"] * ideas * (trial + mended)),
            "confirmation": Cost(slot_s=again),
        },
        search_s=baselines / slots + search_s,
        confirm_s=max(again / slots, fresh_s) if winners else 0.0,
    )


def _longest_s(budget: Budget) -> float:
    """Wall seconds of a trial at most."""
    return budget.wall_limit + budget.startup_seconds + budget.examine_seconds


def _confirmed_as(other: Problem) -> str:
    """What is assumed of the trials of another problem."""
    gpus = other.file.resources.gpus
    slot = f", on {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else ""
    return f"assumed: {other.file.budget.seconds:,g} s a trial as {other.name}{slot}"


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _budget(recipe: SearchRecipe, stage: str) -> LLMBudget:
    """What bounds a stage's requests; each of the two sections has a budget of its own."""
    llm = llm_of(getattr(recipe, _ROLES.get(stage, ""), None))
    return llm.budget if llm else LLMBudget()


def _limits(recipe: SearchRecipe) -> Iterator[tuple[str, float, Callable[[_Run], float]]]:
    """The recipe's budgets by name, and what a run takes of each."""
    for stage, role in _ROLES.items():
        for kind, unit in (("calls", ""), ("tokens", ""), ("money", " US dollars")):
            most = getattr(_budget(recipe, stage), kind)
            if most is not None:
                name = f"{role}.llm.budget.{kind} of {most:g}{unit}"
                yield name, most, partial(_spent, stage, kind)
    if (time := recipe.budget.seconds) is not None:
        yield f"budget.seconds of {time:g}", time, lambda run: run.search_s


def _spent(stage: str, kind: str, run: _Run) -> float:
    return getattr(run.stages[stage], kind)


def _bounds(expected: Cost, most: Cost, slot_s: float, budget: LLMBudget) -> Bounds:
    """Both columns of a stage, within its budgets, and the second never below the first."""
    limits = {**dict.fromkeys(TOKENS, budget.tokens), "calls": budget.calls, "money": budget.money}
    within = {
        name: min(getattr(most, name), limit) for name, limit in limits.items() if limit is not None
    }
    expected = replace(expected, slot_s=min(expected.slot_s, slot_s))
    most = replace(most, **within, slot_s=min(most.slot_s, slot_s))
    return Bounds(expected, Cost(*map(max, zip(astuple(expected), astuple(most), strict=True))))
