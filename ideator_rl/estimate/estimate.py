"""What a search will cost, before it starts: a pure function of recipe, problem and past.

    print_estimate(estimate(recipe, problem, read_past(recipe, problem), slots=2))

`expected` is what earlier runs of the store suggest, and where there are none, what `assumptions`
names. `at_most` uses every sample and revision with the longest answer, and gives every trial all
its time; a budget of the recipe bounds both. Requests that fail and are sent again are in neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from executor.implementer.llm import LONGEST_ANSWER
from executor.llm.settings import LLMSettings
from executor.problem.problem import Problem
from ideator_rl.analysis.cost import NOTHING, Cost, total
from ideator_rl.estimate.past_costs import TOKEN_BYTES, Past, Quantities, known_quantities, llm_of
from ideator_rl.ideators import api_prompts
from ideator_rl.ideators.api import BATCH
from ideator_rl.recipe.recipe import ExecutingRecipe, SearchRecipe
from ideator_rl.recipe.sections import LLMImplementerSettings
from ideator_rl.report.formats import amount, duration, money, several
from ideator_rl.search.evolution import exploit_share
from ideator_rl.terminal.terminal import console

STAGES = ("ideation", "implementation", "baseline", "execution", "confirmation")
TOKENS = ("input", "cache_write", "cache_read", "output")
# What providers cache at least, in tokens, and for how many seconds.
CACHED_AT_LEAST, CACHE_S = 1024, 300.0
# Bytes of a question without what it shows, and of a title or an outcome that it shows.
QUESTION_BYTES, LINE_BYTES = 1000, 80


# A budget: its name, a stage, a figure of the stage, and how much of that is allowed.
Limit = tuple[str, str, str, float]


class Bounds(NamedTuple):
    """Two columns of figures."""

    expected: Cost
    at_most: Cost


@dataclass(frozen=True)
class Estimate:
    """`ideas` is what the recipe asks for and `reached` how many of them its budgets are expected
    to allow, which is what the figures are about. A slot has `gpus`. Wall time is the trials'."""

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

        def told(bounds: Bounds) -> dict[str, dict[str, float]]:
            return {
                column: {name: getattr(cost, name) for name in ("calls", *TOKENS, "money")}
                | {"slot_h": cost.slot_s / 3600, "gpu_h": self.gpus * cost.slot_s / 3600}
                for column, cost in bounds._asdict().items()
            }

        return {name: value for name, value in vars(self).items() if "wall" not in name} | {
            "stages": {stage: told(bounds) for stage, bounds in self.stages.items()},
            "total": told(self.total),
            "wall_h": {"expected": self.wall_s / 3600, "at_most": self.wall_s_at_most / 3600},
        }


def estimate(
    recipe: SearchRecipe, problem: Problem, past: Past, slots: int, other: Problem | None = None
) -> Estimate:
    """Starts, reads and writes nothing. `slots` are trials at a time; `other` is the problem that
    winners are confirmed as, where that is another one."""
    known, at_most, assumptions = known_quantities(recipe, problem, past, other)
    ideas, limits = recipe.budget.ideas, list(_limits(recipe))
    whole, worst = _planned(recipe, slots, known, ideas), _planned(recipe, slots, at_most, ideas)
    reached, would_end = within(limits, whole, ideas)
    stages, slot_s = {}, {"slot_s": slots * (recipe.budget.seconds or inf)}
    for stage, expected in _planned(recipe, slots, known, reached).items():
        own = {kind: most for _, where, kind, most in limits if where == stage}
        stages[stage] = bounds(expected, worst[stage], limits=slot_s | own)
    wall = stages.pop("wall")
    summed = bounds(*map(total, zip(*stages.values(), strict=True)), limits=slot_s)
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
        wall_s=wall.expected.slot_s,
        wall_s_at_most=wall.at_most.slot_s,
    )


def within(
    limits: Iterable[Limit], whole: Mapping[str, Cost], ideas: int
) -> tuple[int, tuple[str, ...]]:
    """How many ideas limits allow where all of them take `whole`, and which would end the run."""
    reached, would_end = ideas, []
    for name, stage, kind, most in limits:
        if (need := getattr(whole[stage], kind)) > most:
            fits = int(ideas * most / need)
            reached = min(reached, fits)
            ends = f"would end the run after about {fits} of {ideas} ideas"
            would_end.append(f"{name} {ends}; all of them need about {amount(need)}")
    return reached, tuple(would_end)


def _limits(recipe: SearchRecipe) -> Iterator[Limit]:
    """The recipe's budgets."""
    if time := recipe.budget.seconds:
        yield f"budget.seconds of {time:g}", "wall", "slot_s", time
    yield from model_limits(recipe)


def model_limits(recipe: ExecutingRecipe) -> Iterator[Limit]:
    """The budgets of the recipe's language models."""
    for stage, role in (("ideation", "ideator"), ("implementation", "implementer")):
        llm = llm_of(getattr(recipe, role, None))
        for kind, unit in (("calls", ""), ("tokens", ""), ("money", " US dollars")):
            if llm and (most := getattr(llm.budget, kind)) is not None:
                yield f"{role}.llm.budget.{kind} of {most:g}{unit}", stage, kind, most


def bounds(expected: Cost, worst: Cost, *, limits: dict[str, float]) -> Bounds:
    """Both columns within the limits, and the second never below the first."""
    limits = dict.fromkeys(TOKENS, limits.get("tokens", inf)) | limits
    first, second = (
        {name: min(value, limits.get(name, inf)) for name, value in vars(cost).items()}
        for cost in (expected, worst)
    )
    return Bounds(Cost(**first), Cost(**{name: max(first[name], second[name]) for name in first}))


def _planned(recipe: SearchRecipe, slots: int, known: Quantities, ideas: int) -> dict[str, Cost]:
    """What each stage takes with no budget in the way, and `wall`, the seconds of all trials."""
    # A codebase that is repaired is taken to crash as late as it may.
    late = min(getattr(recipe.implementer, "repair_within_s", 0.0), known.trial_s)
    execution = known.executed * ideas * (known.trial_s + known.repaired * late)
    baseline = recipe.executor.baseline_seeds * known.trial_s
    # A search that ends before its last idea confirms nothing yet.
    winners = min(recipe.confirm.top, ideas) if ideas == recipe.budget.ideas else 0
    again = recipe.confirm.seeds * (winners + 1) * known.confirm_s if winners else 0.0
    at_a_time = slots if recipe.search.pipeline == "continuous" else min(slots, recipe.search.size)
    # How often providers' caches are empty: at first, and after an epoch that outlasts them.
    lapses = known.trial_s > CACHE_S or recipe.changes_parents
    cold = ceil(ideas / recipe.search.size) if lapses else min(ideas, 1)
    return {
        "ideation": _ideation(recipe, known, ideas, cold),
        "implementation": implementation_cost(recipe, known, ideas, cold),
        "baseline": Cost(slot_s=baseline),
        "execution": Cost(slot_s=execution),
        "confirmation": Cost(slot_s=again),
        "wall": Cost(slot_s=(baseline + again) / slots + execution / at_a_time),
    }


def _ideation(recipe: SearchRecipe, known: Quantities, ideas: int, cold: int) -> Cost:
    """The questions for so many ideas, each with what was tried before."""
    llm, search = llm_of(recipe.ideator), recipe.search
    if llm is None:
        return NOTHING
    own = NOTHING
    for number, done in enumerate(range(0, ideas, search.size)):
        count = min(search.size, ideas - done)
        above = max(1, round(known.above * done)) if done else 0
        on_islands = search.method == "islands" and number
        exploited = round(count * (1 - search.explore if on_islands else exploit_share(number)))
        parts = {"best_of_n": [(count, 0)], "sequential": [(count, min(above, 1))]}
        evolution = [(exploited, above), (count - exploited, done)]
        for wanted, history in parts.get(search.method, evolution):
            asked, shown = ceil(wanted / BATCH), min(history, api_prompts.SHOWN_IDEAS)
            told = min(shown * (known.idea_bytes + LINE_BYTES), api_prompts.SHOWN_CHARACTERS)
            if recipe.changes_parents and wanted == exploited and history:
                # A question shows the code of one parent.
                asked, told = min(wanted, history), told + known.change_bytes
            told += min(done - shown, api_prompts.SHOWN_TITLES) * LINE_BYTES
            answers = min(wanted * known.idea_tokens, asked * llm.max_tokens) if wanted else 0.0
            own += Cost(asked, asked * (told + QUESTION_BYTES) / TOKEN_BYTES, output=answers)
    return _asked(llm, known, own, cold)


def implementation_cost(recipe: ExecutingRecipe, known: Quantities, ideas: int, cold: int) -> Cost:
    """The first answers for so many ideas and their revisions; a codebase that has crashed is asked
    for once more, and that is revised as often."""
    made, llm = recipe.implementer, llm_of(recipe.implementer)
    if llm is None or not isinstance(made, LLMImplementerSettings):
        return NOTHING
    firsts, rounds = made.samples * ideas, min(known.revised, made.revisions)
    repairs = ideas * known.repaired if made.repair_within_s else 0.0
    answer = min(known.edit_tokens, llm.max_tokens)
    turn = min(answer * TOKEN_BYTES, LONGEST_ANSWER) + known.mistake_bytes
    calls = (firsts + repairs) * (1 + rounds)
    # The last of r revisions is shown r answers, and a repair one more than a first answer.
    turns = (firsts + repairs) * rounds * (1 + ceil(rounds)) / 2 + repairs * (1 + rounds)
    told = calls * (known.idea_bytes + QUESTION_BYTES) + turns * turn
    # Answers that begin together do not find each other's prompt in the cache.
    fresh = min(firsts, llm.concurrency * cold)
    return _asked(llm, known, Cost(calls, told / TOKEN_BYTES, output=calls * answer), fresh)


def _asked(llm: LLMSettings, known: Quantities, own: Cost, fresh: float) -> Cost:
    """Requests with tokens of their own, and with the problem, which all of them share: `fresh` of
    them write it to the provider's cache, where the others read it."""
    shared, cached = known.problem_tokens, llm.api == "anthropic" or llm.prices.cache_read
    more = {"input": own.calls * shared}
    if known.worst:
        more = {llm.prices.dearest_input: own.calls * shared}
    elif cached and shared >= CACHED_AT_LEAST:
        more = {"cache_write": fresh * shared, "cache_read": (own.calls - fresh) * shared}
    whole = own + Cost(**more)
    return replace(whole, money=llm.prices.dollars(whole))


def print_estimate(found: Estimate) -> None:
    """Prints all of it, where the figures come from, and which budgets would end the run early."""
    print_table(found)
    console().print(f"nothing was started of {found.run}", soft_wrap=True)


def print_table(found: Estimate) -> None:
    """The same without the last line."""
    reached = f"about {found.reached} of " if found.reached < found.ideas else ""
    columns = [Column(name, justify="right", no_wrap=True) for name in ("expected", "at most")]
    head = Column(f"{reached}{several(found.ideas, 'idea')}", no_wrap=True)
    table = Table(head, "", *columns, box=SIMPLE_HEAD, pad_edge=False)
    figures = {
        "calls": (lambda cost: cost.calls, amount),
        "tokens in": (lambda cost: cost.input, amount),
        "written to a cache": (lambda cost: cost.cache_write, amount),
        "read from a cache": (lambda cost: cost.cache_read, amount),
        "tokens out": (lambda cost: cost.output, amount),
        "US dollars": (lambda cost: cost.money, money),
        "slot time": (lambda cost: cost.slot_s, duration),
        "GPU hours": (lambda cost: found.gpus * cost.slot_s / 3600, amount),
    }
    for stage, bounds in {**found.stages, "total": found.total}.items():
        for name, (value, form) in figures.items():
            if value(bounds.at_most):
                table.add_row(stage, name, *(form(value(column)) for column in bounds))
                stage = ""
    wall = map(duration, (found.wall_s, found.wall_s_at_most))
    table.add_row(f"trials, on {several(found.slots, 'slot')}", "wall time", *wall)
    console().print(table)
    for line in (*found.assumptions, *found.limits):
        console().print(line, soft_wrap=True)
