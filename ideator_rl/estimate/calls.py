"""Which requests a search will make to its language models, and how long they are.

    for epoch in epochs(make_plan(recipe, problem, known), ideas=80):
        epoch.ideation.cost.money, epoch.implementation.seconds

The prompts are the real ones, around ideas of a guessed length; how many there are follows the
search method. What is cached and how is that of the clients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import NamedTuple

from executor.implementer import llm as edit_prompts
from executor.llm.settings import LLMSettings
from executor.problem import Problem
from executor.quoted import quoted
from executor.records import Idea, Outcome
from gym_envs.prompt import history_prompt
from ideator_rl.analysis.cost import NOTHING, Cost
from ideator_rl.estimate.past_costs import TOKENS_A_SECOND, edit_bytes, llm_of, size_of
from ideator_rl.ideators import api_prompts as idea_prompts
from ideator_rl.ideators.api import BATCH
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Mode
from ideator_rl.recipe import LLMImplementerSettings, SearchRecipe
from ideator_rl.search.method import Part
from ideator_rl.search.methods import METHODS
from ideator_rl.search.parents import with_parents

TOKENS = ("input", "cache_read", "cache_write", "output")
# What providers cache at least, in tokens, and for how many seconds.
CACHED_AT_LEAST, CACHE_S = 1024, 300.0
# Of an idea's title, and of what is told to be wrong with an edit or with the trial of one.
TITLE_CHARACTERS, PROBLEM_CHARACTERS = 80, 400
# Of how a parent's codebase differs from the baseline's, as a diff.
CHANGE_CHARACTERS = 3000


class Plan(NamedTuple):
    """A search with what is known of it, or with the worst that can come; `ideation` and `edits`
    are the bytes that all questions to a model share. `other` is the problem that winners are
    confirmed as, where that is another one."""

    recipe: SearchRecipe
    problem: Problem
    known: Mapping[str, float]
    ideation: int
    edits: int
    worst: bool = False
    other: Problem | None = None


def make_plan(recipe: SearchRecipe, problem: Problem, known: Mapping[str, float]) -> Plan:
    """What is likely to come."""
    shared = size_of(idea_prompts.fill("ideator", code=""), idea_prompts.problem_text(problem))
    return Plan(recipe, problem, known, shared, edit_bytes(recipe, problem))


def worst_of(plan: Plan) -> Plan:
    """The worst that can come: each figure is as large as what uses it lets it be."""
    known = dict.fromkeys(plan.known, math.inf) | {"executed": 1.0, "repaired": 1.0}
    kept = {name: plan.known[name] for name in ("above", "token_bytes")}
    return plan._replace(known=known | kept, worst=True)


class Calls(NamedTuple):
    """Requests together: their cost, and wall seconds until the first answer and the last."""

    cost: Cost = NOTHING
    first_s: float = 0.0
    seconds: float = 0.0


class Epoch(NamedTuple):
    """So many ideas, what asking for them takes, and their code; no calls where nobody is paid."""

    ideas: int
    ideation: Calls
    implementation: Calls


def epochs(plan: Plan, ideas: int) -> Iterator[Epoch]:
    """The epochs in which so many ideas are asked for."""
    search, done, number = plan.recipe.search, 0, 0
    while done < ideas:
        size = min(search.epoch_size, ideas - done)
        above = max(1, round(plan.known["above"] * done)) if done else 0
        history = [*_ABOVE[:above], *_BELOW[: done - above]]
        parts = METHODS.get(search.method, _all_shown)(number, size, history, 0.0, Random(0))
        if plan.recipe.changes_parents:
            parts = with_parents(parts, Random(0))
        if plan.worst:
            parts = [one for part in parts for one in _one_by_one(part)]
        asked = sum(part.count for part in parts)
        # What is cached lapses where an epoch takes longer than the cache holds, and is the code of
        # one parent.
        fresh = number == 0 or plan.known["trial_s"] > CACHE_S or plan.recipe.changes_parents
        shown = tuple((part.mode, part.count, len(part.history)) for part in parts)
        yield Epoch(asked, _ideation(plan, shown, done, fresh), _implementation(plan, asked, fresh))
        done, number = done + asked, number + 1


def _one_by_one(part: Part) -> list[Part]:
    """As ideas with a parent each are asked for, if no two have the same."""
    return [part] if part.parent is None else [replace(part, count=1)] * part.count


def _all_shown(
    epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random, /
) -> list[Part]:
    """What a method of another package is taken for: it is not asked about ideas that are none."""
    return [Part("explore" if history else "sample", size, history)]


def _ideation(
    plan: Plan, parts: tuple[tuple[Mode, int, int], ...], before: int, fresh: bool
) -> Calls:
    """The questions for an epoch's ideas, each part with its mode, count, and length of history."""
    known, llm, calls = plan.known, llm_of(plan.recipe.ideator), Calls()
    if llm is None:
        return calls
    for mode, wanted, history in parts:
        for begin in range(0, wanted, BATCH):
            count, shown = min(BATCH, wanted - begin), min(idea_prompts.SHOWN_IDEAS, history)
            idea = min(known["idea_bytes"], llm.max_tokens * known["token_bytes"])
            told = min(shown * (_ENTRY + idea), idea_prompts.SHOWN_CHARACTERS)
            titles = max(
                0, min(idea_prompts.SHOWN_TITLES, before if plan.worst else before - shown)
            )
            title = idea_prompts.LONGEST_TITLE if plan.worst else TITLE_CHARACTERS
            own = _question(mode, shown > 0, titles > 0, count) + told + titles * (title + 3)
            if mode == "exploit" and plan.recipe.changes_parents:
                own += _EXTENDS + (idea_prompts.LONGEST_CHANGE if plan.worst else CHANGE_CHARACTERS)
            answer = count * known["idea_tokens"] + known["ideation_thinking"]
            written = fresh and not calls.cost.calls
            cost = _call(plan, llm, plan.ideation, own, answer, written=written)
            took = min(llm.timeout_s, known["ideation_s"] or cost.output / TOKENS_A_SECOND)
            calls = Calls(calls.cost + cost, calls.first_s or took, calls.seconds + took)
            before += count
    return calls


def _implementation(plan: Plan, ideas: int, fresh: bool) -> Calls:
    """The first answers, revisions and repairs for an epoch's ideas."""
    known, settings, llm = plan.known, plan.recipe.implementer, llm_of(plan.recipe.implementer)
    if llm is None or not isinstance(settings, LLMImplementerSettings):
        return Calls()
    asked = size_of(edit_prompts.question_text("")) + min(
        known["idea_bytes"], edit_prompts.LONGEST_ANSWER
    )
    edit = min(known["edit_tokens"], llm.max_tokens) * known["token_bytes"]
    wrong = edit_prompts.LONGEST_PROBLEM if plan.worst else PROBLEM_CHARACTERS
    turn = min(edit, edit_prompts.LONGEST_ANSWER) + size_of(edit_prompts.revision_text("")) + wrong
    answer = known["edit_tokens"] + known["edit_thinking"]

    def call(turns: int, written: bool = False) -> Cost:
        """A request after so many answers that were not taken."""
        return _call(plan, llm, plan.edits, asked + turns * turn, answer, written=written)

    firsts, rounds = settings.samples * ideas, min(known["revised"], settings.revisions)
    # Answers that begin together do not find each other's prompt in the cache.
    new = min(firsts, llm.concurrency) if fresh else 0
    cost = call(0, written=True).times(new) + call(0).times(firsts - new)
    for turns in range(1, math.ceil(rounds) + 1):
        cost += call(turns).times(firsts * min(1.0, rounds - turns + 1))
    if settings.repair_within_s:
        for turns in range(1, 2 + (settings.revisions if plan.worst else 0)):
            cost += call(turns).times(ideas * known["repaired"])
    took = min(llm.timeout_s, known["edit_s"] or min(answer, llm.max_tokens) / TOKENS_A_SECOND)
    waves = firsts / llm.concurrency
    took *= 1 + rounds
    return Calls(cost, took, took * (math.ceil(waves) if plan.worst else max(1.0, waves)))


def _call(
    plan: Plan, llm: LLMSettings, shared: float, own: float, answer: float, *, written: bool
) -> Cost:
    """One request; what it has in common with others is written to the cache or read from it."""
    shared, own = shared / plan.known["token_bytes"], own / plan.known["token_bytes"]
    prices, kind = llm.prices, "input"
    caches = llm.api == "anthropic" or prices.cache_read or prices.cache_write
    if caches and shared >= CACHED_AT_LEAST:
        kind = "cache_write" if written or plan.worst else "cache_read"
    if plan.worst:
        # As in the run's own budget: at the dearest of the three prices.
        kind = max(TOKENS[:3], key=lambda name: getattr(prices, name))
    cost = Cost(calls=1, input=own, output=min(answer, llm.max_tokens)) + Cost(**{kind: shared})
    return replace(cost, money=sum(getattr(cost, n) * getattr(prices, n) for n in TOKENS) / 1e6)


@cache
def _question(mode: Mode, has_history: bool, has_titles: bool, count: int) -> int:
    """The bytes of an ideator's real question, without the ideas and the titles in it."""
    shown = _ABOVE[:1] if has_history else []
    request = IdeaRequest(mode, count, shown, (), 0.0, Random(0))
    titles = ["x"] if has_titles else []
    asked = idea_prompts.make_question("", request, shown, titles, count=count, sample=0)
    heading = _ENTRY if has_history else 0
    return size_of(*(message.text for message in asked.messages)) - heading


def _placeholder(number: int, reward: float) -> Executed:
    name = f"{number:07d}"
    outcome = Outcome(name, "completed", reward, metrics={"metric": reward})
    return Executed(Idea(name, ""), outcome)


# More of either kind are in no prompt.
_ABOVE = [_placeholder(n, 1.0) for n in range(idea_prompts.SHOWN_IDEAS)]
_BELOW = [_placeholder(idea_prompts.SHOWN_IDEAS + n, -1.0) for n in range(idea_prompts.SHOWN_IDEAS)]
# The bytes of an idea in a history, beside its text.
_ONE, _TWO = (size_of(history_prompt([("", _ABOVE[0].outcome)] * n)) for n in (1, 2))
_ENTRY = _TWO - _ONE
# By how much a question about the code of a parent is longer, beside the change itself.
_EXTENDS = size_of(idea_prompts.fill("extend", history="", baseline="", number="", change="")) + (
    size_of(quoted("", 1))
)
