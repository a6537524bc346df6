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
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

from executor.llm.settings import LLMBudget, Prices
from executor.problem import Problem
from executor.records import Record
from ideator_rl.analysis.cost import Cost, total
from ideator_rl.estimate.calls import PlannedCalls, llm_of
from ideator_rl.estimate.guesses import Guesses, guesses
from ideator_rl.estimate.past_costs import Past
from ideator_rl.recipe import LLMImplementerSettings, SearchRecipe

STAGES = ("ideation", "implementation", "baseline", "execution", "confirmation")
TOKENS = ("input", "cache_read", "cache_write", "output")


@dataclass(frozen=True)
class Bounds(Record):
    """Two columns of figures."""

    expected: Cost
    at_most: Cost


@dataclass(frozen=True)
class Estimate(Record):
    """`ideas` is what the recipe asks for and `reached` how many of them its budgets are expected
    to allow, which is what the figures are about. A slot has `gpus`. Wall time is in seconds."""

    run: str
    ideas: int
    reached: int
    slots: int
    gpus: int
    priced: bool
    stages: Mapping[str, Bounds]
    total: Bounds
    wall_s: float
    wall_s_at_most: float
    assumptions: tuple[str, ...]
    limits: tuple[str, ...]

    def figures(self) -> dict[str, Any]:
        """For JSON: as the fields, with hours in place of seconds."""

        def told(cost: Cost) -> dict[str, float]:
            hours = cost.slot_s / 3600
            figures = asdict(cost)
            del figures["slot_s"], figures["other"]
            return figures | {"slot_h": hours, "gpu_h": hours * self.gpus}

        def both(bounds: Bounds) -> dict[str, dict[str, float]]:
            return {"expected": told(bounds.expected), "at_most": told(bounds.at_most)}

        data = asdict(self)
        del data["wall_s"], data["wall_s_at_most"]
        return data | {
            "stages": {name: both(bounds) for name, bounds in self.stages.items()},
            "total": both(self.total),
            "wall_h": {"expected": self.wall_s / 3600, "at_most": self.wall_s_at_most / 3600},
        }


@dataclass(frozen=True)
class _Run:
    """The figures of a run with some number of ideas, no budget in its way: wall seconds of the
    search, and of what follows it."""

    stages: Mapping[str, Cost]
    search_s: float
    confirm_s: float


@dataclass(frozen=True)
class _Limit:
    """One of the recipe's budgets, and what a run takes of it."""

    name: str
    most: float
    spent: Callable[[_Run], float]


def estimate(recipe: SearchRecipe, problem: Problem, past: Past, slots: int) -> Estimate:
    """Starts, reads and writes nothing. `slots` are trials at a time."""
    known = guesses(recipe, problem, past)
    ideas = recipe.budget.ideas
    planned = PlannedCalls(recipe, problem, known)

    def run(count: int, *, worst: bool = False) -> _Run:
        return _run(recipe, problem, known, planned, count, slots, worst=worst)

    whole, most = run(ideas), run(ideas, worst=True)
    reached, told = ideas, []
    for limit in (limits := _limits(recipe)):
        if limit.spent(whole) > limit.most:
            # The counts up to the last one that fits, of those from 0 on.
            fits = bisect_right(range(ideas), limit.most, key=lambda n: limit.spent(run(n))) - 1
            reached = min(reached, max(0, fits))
            told.append(
                f"{limit.name} would end the run after about {max(0, fits)} of {ideas} ideas; "
                f"all of them are expected to need {_said(limit.spent(whole))}"
            )
    for limit in limits:
        if limit.spent(most) > limit.most:
            told.append(
                f"{limit.name} bounds what could come to {_said(limit.spent(most))} at most"
            )
    time = recipe.budget.seconds or math.inf
    expected = run(reached)
    if reached < ideas:
        # A search that ends before its last idea confirms nothing yet.
        likely = {**expected.stages, "confirmation": Cost()}
        expected = replace(expected, stages=likely, confirm_s=0.0)
    stages = {
        name: _bounds(expected.stages[name], most.stages[name], slots * time, _budget(recipe, name))
        for name in STAGES
    }
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
        stages=stages,
        total=Bounds(
            _in_time(total(bounds.expected for bounds in stages.values()), slots * time),
            _in_time(total(bounds.at_most for bounds in stages.values()), slots * time),
        ),
        wall_s=min(wall, time),
        wall_s_at_most=min(max(wall, most.search_s + most.confirm_s), time),
        assumptions=known.told,
        limits=tuple(told),
    )


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _budget(recipe: SearchRecipe, stage: str) -> LLMBudget:
    """What bounds a stage's requests; each of the two sections has a budget of its own."""
    sections = {"ideation": recipe.ideator, "implementation": recipe.implementer}
    llm = llm_of(sections.get(stage))
    return llm.budget if llm else LLMBudget()


def _limits(recipe: SearchRecipe) -> list[_Limit]:
    found = []
    for section, stage in (("ideator", "ideation"), ("implementer", "implementation")):
        budget = _budget(recipe, stage)
        for kind in ("calls", "tokens", "money"):
            most = getattr(budget, kind)
            if most is not None:
                unit = " US dollars" if kind == "money" else ""
                name = f"{section}.llm.budget.{kind} of {most:g}{unit}"
                found.append(_Limit(name, most, _spent(stage, kind)))
    if recipe.budget.seconds is not None:
        name = f"budget.seconds of {recipe.budget.seconds:g}"
        found.append(_Limit(name, recipe.budget.seconds, lambda run: run.search_s))
    return found


def _spent(stage: str, kind: str) -> Callable[[_Run], float]:
    return lambda run: getattr(run.stages[stage], kind)


def _bounds(expected: Cost, most: Cost, slot_s: float, budget: LLMBudget) -> Bounds:
    """Both columns of a stage, within its budgets, and the second never below the first."""
    tokens = math.inf if budget.tokens is None else budget.tokens
    bounded = replace(
        most,
        calls=min(most.calls, math.inf if budget.calls is None else budget.calls),
        money=min(most.money, math.inf if budget.money is None else budget.money),
        **{name: min(getattr(most, name), tokens) for name in TOKENS},
    )
    expected, bounded = _in_time(expected, slot_s), _in_time(bounded, slot_s)
    return Bounds(expected, Cost(*map(max, zip(astuple(expected), astuple(bounded), strict=True))))


def _in_time(cost: Cost, slot_s: float) -> Cost:
    return replace(cost, slot_s=min(cost.slot_s, slot_s))


def _run(
    recipe: SearchRecipe,
    problem: Problem,
    known: Guesses,
    planned: PlannedCalls,
    ideas: int,
    slots: int,
    *,
    worst: bool,
) -> _Run:
    budget, confirm = problem.file.budget, recipe.confirm
    longest = budget.wall_limit + budget.startup_seconds + budget.examine_seconds
    trial = longest if worst else min(known.trial_s, longest)
    base = longest if worst else min(known.baseline_s, longest)
    executed = 1.0 if worst else known.executed
    writer = recipe.implementer
    mended = writer.repair_within_s if isinstance(writer, LLMImplementerSettings) else 0.0
    # A codebase that is repaired has crashed by then.
    first = trial + min(mended, longest) if worst else trial
    baselines = recipe.executor.baseline_seeds * base
    winners = min(confirm.top, ideas)
    again = confirm.seeds * (winners * trial + base) if winners else 0.0
    epochs = planned.ideation(ideas, worst=worst)
    edits = [planned.implementation(e.ideas, e.number == 0, worst=worst) for e in epochs]

    def trials_s(trials: float) -> float:
        """Wall seconds until so many trials have ended."""
        rounds = math.ceil(trials / slots) if worst else max(trials / slots, min(trials, 1.0))
        return first * rounds

    busy = baselines / slots
    if recipe.search.pipeline == "continuous":
        work = (
            sum(epoch.calls.seconds for epoch in epochs),
            sum(written.seconds for written in edits),
            trials_s(executed * ideas) + busy,
        )
        begin = max(
            (e.calls.first_s + w.first_s for e, w in zip(epochs, edits, strict=True)), default=0
        )
        search_s = begin + max(work)
    else:
        search_s = busy + sum(
            # The first ideas are written, run and examined while the others are still thought of.
            epoch.calls.first_s
            + written.first_s
            + max(
                trials_s(executed * epoch.ideas),
                epoch.calls.seconds - epoch.calls.first_s,
                written.seconds - written.first_s,
            )
            for epoch, written in zip(epochs, edits, strict=True)
        )
    return _Run(
        stages={
            "ideation": total(epoch.calls.cost for epoch in epochs),
            "implementation": total(written.cost for written in edits),
            "baseline": Cost(slot_s=baselines),
            "execution": Cost(slot_s=executed * ideas * first),
            "confirmation": Cost(slot_s=again),
        },
        search_s=search_s,
        confirm_s=max(again / slots, trial) if winners else 0.0,
    )
