"""What a training will cost, problem by problem: trials, and the model that writes ideas' code.

    found = estimate_training(recipe, open_parts(recipe), slots=2)
    print_training(recipe, found)

What the trainer itself takes, to write answers and to learn from them, is not priced: it is there
for as long as the run lasts. Answers with code that ran before take no trial; how many will, nobody
knows before, so that the expected figures are rather too high. With `executions` a training may end
before its last step: that bounds its trials, and the code of ideas is priced for all steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, inf
from typing import Any

from ideator_rl.analysis.cost import Cost, total
from ideator_rl.estimate.estimate import (
    Estimate,
    bounds,
    implementation_cost,
    model_limits,
    print_table,
    within,
)
from ideator_rl.estimate.past_costs import Quantities, known_quantities, read_past
from ideator_rl.recipe.shares import Shares
from ideator_rl.report.formats import duration, money
from ideator_rl.rl.parts import Part
from ideator_rl.rl.train_recipe import TrainRecipe
from ideator_rl.terminal.terminal import console


def estimate_training(
    recipe: TrainRecipe, parts: Sequence[Part], slots: int
) -> dict[str, Estimate]:
    """By problem; starts and writes nothing. `slots` are trials at a time, of all problems."""
    # Groups that are asked ahead are asked, too, whether they are learnt from or not.
    groups = recipe.grpo.groups * (recipe.steps + recipe.grpo.staleness)
    shares = Shares([part.env.weight for part in parts], recipe.seed)
    counts = Counter(shares.at(number) for number in range(groups))
    return {
        part.problem.name: _estimate(
            part,
            counts[number] * recipe.grpo.group_size,
            _most_trials(recipe) * counts[number] / groups,
            slots,
        )
        for number, part in enumerate(parts)
    }


def _most_trials(recipe: TrainRecipe) -> float:
    """In the step that brings the last of `executions`, every idea may be a new one."""
    if recipe.executions is None:
        return inf
    ahead = 1 + recipe.grpo.staleness
    return recipe.executions - 1 + ahead * recipe.grpo.groups * recipe.grpo.group_size


def _estimate(part: Part, ideas: int, most_trials: float, slots: int) -> Estimate:
    recipe, problem = part.recipe, part.problem
    known, worst, assumptions = known_quantities(recipe, problem, read_past(recipe, problem))
    limits = list(model_limits(recipe))
    reached, would_end = within(limits, _planned(recipe, known, ideas, most_trials), ideas)
    at_most, stages = _planned(recipe, worst, ideas, most_trials), {}
    for stage, expected in _planned(recipe, known, reached, most_trials).items():
        own = {kind: most for _, where, kind, most in limits if where == stage}
        stages[stage] = bounds(expected, at_most[stage], limits=own)
    summed = bounds(*map(total, zip(*stages.values(), strict=True)), limits={})
    return Estimate(
        run=recipe.run,
        ideas=ideas,
        reached=reached,
        slots=slots,
        gpus=problem.file.resources.gpus,
        priced=summed.at_most.money > 0,
        assumptions=assumptions,
        limits=would_end,
        stages=stages,
        total=summed,
        wall_s=summed.expected.slot_s / slots,
        wall_s_at_most=summed.at_most.slot_s / slots,
    )


def _planned(
    recipe: TrainRecipe, known: Quantities, ideas: int, most_trials: float
) -> dict[str, Cost]:
    # A codebase that is repaired is taken to crash as late as it may.
    late = min(getattr(recipe.implementer, "repair_within_s", 0.0), known.trial_s)
    cold = ceil(ideas / (recipe.grpo.groups * recipe.grpo.group_size))
    trials = min(known.executed * ideas, most_trials)
    return {
        "implementation": implementation_cost(recipe, known, ideas, cold),
        "baseline": Cost(slot_s=recipe.executor.baseline_seeds * known.trial_s),
        "execution": Cost(slot_s=trials * (known.trial_s + known.repaired * late)),
    }


def training_figures(recipe: TrainRecipe, found: Mapping[str, Estimate]) -> dict[str, Any]:
    """For JSON: each problem as a search is told, and the wall time of all trials."""
    return {
        "run": recipe.run,
        "steps": recipe.steps,
        "problems": {name: one.figures() for name, one in found.items()},
        "wall_h": {
            "expected": sum(one.wall_s for one in found.values()) / 3600,
            "at_most": sum(one.wall_s_at_most for one in found.values()) / 3600,
        },
    }


def print_training(recipe: TrainRecipe, found: Mapping[str, Estimate]) -> None:
    """Prints a table for each problem, and of several what all of them take."""
    for name, one in found.items():
        console().print(f"{name}: {recipe.steps} steps", soft_wrap=True)
        print_table(one)
    if len(found) > 1:
        wall, longest = (
            sum(getattr(one, which) for one in found.values())
            for which in ("wall_s", "wall_s_at_most")
        )
        told = (
            f"{', '.join(found)} together: {duration(wall)} of trials, at most {duration(longest)}"
        )
        if any(one.priced for one in found.values()):
            dollars = (
                money(sum(getattr(one.total, column).money for one in found.values()))
                for column in ("expected", "at_most")
            )
            told += "; {} US dollars, at most {}".format(*dollars)
        console().print(told, soft_wrap=True)
    console().print(f"nothing was started of {recipe.run}", soft_wrap=True)
