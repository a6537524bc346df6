"""Which requests a search will make to its language models, and how long they are.

    planned = PlannedCalls(recipe, problem, guesses(recipe, problem, past))
    for epoch in planned.ideation(ideas=80, worst=False):
        epoch.calls.cost.money, planned.implementation(epoch.ideas, epoch.number == 0, worst=False)

The prompts are the real ones, around ideas of a guessed length; how many there are follows the
search method. What is cached and how is that of the clients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import NamedTuple

from executor.implementer.llm import (
    LONGEST_ANSWER,
    LONGEST_PROBLEM,
    question_text,
    revision_text,
    system_text,
)
from executor.implementer.llm import problem_text as codebase_text
from executor.llm.meter import charge_of
from executor.llm.records import Usage
from executor.llm.settings import LLMSettings
from executor.problem import Problem
from executor.records import Idea, Outcome
from ideator_rl.analysis.cost import NOTHING, Cost
from ideator_rl.estimate.guesses import Guesses
from ideator_rl.ideators import ideator
from ideator_rl.ideators.api import BATCH
from ideator_rl.ideators.api_prompts import (
    LONGEST_TITLE,
    SHOWN_CHARACTERS,
    SHOWN_IDEAS,
    SHOWN_TITLES,
    make_question,
    problem_text,
    shown_ideas,
)
from ideator_rl.ideators.ideator import Executed, Mode
from ideator_rl.recipe import (
    ApiIdeatorSettings,
    DirectImplementerSettings,
    LLMImplementerSettings,
    SearchRecipe,
)
from ideator_rl.search.method import Part
from ideator_rl.search.methods import METHODS

# What providers cache at least, in tokens, and for how many seconds.
CACHED_AT_LEAST, CACHE_S = 1024, 300.0
TITLE_CHARACTERS = 80
# What is told to be wrong with an edit, or with the trial of one.
SHORT_PROBLEM = 400
# What a past idea's number, status and metrics take in a prompt, about.
_HEADING = 200


class Sizes(NamedTuple):
    """Of a question in bytes: what it has in common with others, and the rest."""

    shared: int
    own: int


@dataclass(frozen=True)
class Calls:
    """Requests together: their cost, and wall seconds until the first answer and the last."""

    cost: Cost = NOTHING
    first_s: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Epoch:
    """`number` counts from 0; `ideas` are those that it asks for."""

    number: int
    ideas: int
    calls: Calls


def llm_of(section: object) -> LLMSettings | None:
    """The model that a section of the recipe pays for; a replayed one is free."""
    if not isinstance(section, ApiIdeatorSettings | LLMImplementerSettings):
        return None
    return None if section.llm.api == "replay" else section.llm


class PlannedCalls:
    """The requests of a search, as its recipe will make them; the same question is asked once."""

    def __init__(self, recipe: SearchRecipe, problem: Problem, known: Guesses) -> None:
        self._recipe, self._known = recipe, known
        self._question = cache(partial(_question, problem_text(problem)))
        self.implementation = cache(partial(_implementation, recipe, known, codebase_text(problem)))

    def ideation(self, ideas: int, *, worst: bool) -> list[Epoch]:
        """The epochs in which so many ideas are asked for; no calls where nobody is paid."""
        search, known = self._recipe.search, self._known
        llm = llm_of(self._recipe.ideator)
        epochs: list[Epoch] = []
        done = 0
        while done < ideas:
            size = min(search.epoch_size, ideas - done)
            above = max(1, round(known.above * done)) if done else 0
            history = [*_ABOVE[:above], *_BELOW[: done - above]]
            parts = METHODS[search.method](len(epochs), size, history, 0.0, Random(0))
            calls, asked = Calls(), 0
            for part in parts:
                if llm is None:
                    break
                for count in _batches(part.count):
                    first = not (epochs or asked)
                    written = worst or first or (not asked and _has_lapsed(known))
                    question = self._asked(llm, part, count, done + asked, worst=worst)
                    answer = count * known.idea_tokens + known.ideation_thinking
                    call = _call(llm, question, answer, known, written=written, worst=worst)
                    took = known.ideation_s or call.output / known.tokens_a_second
                    took = llm.timeout_s if worst else took
                    calls = Calls(calls.cost + call, calls.first_s or took, calls.seconds + took)
                    asked += count
            number = sum(part.count for part in parts)
            epochs.append(Epoch(len(epochs), number, calls))
            done += number
        return epochs

    def _asked(
        self, llm: LLMSettings, part: Part, count: int, before: int, *, worst: bool
    ) -> Sizes:
        """A question for `count` ideas after so many others; at worst they fill what is shown."""
        shown = min(SHOWN_IDEAS, len(part.history))
        if not worst:
            titles = max(0, min(SHOWN_TITLES, before - shown))
            size = round(self._known.idea_bytes)
            return self._question(part.mode, shown, titles, count, size, TITLE_CHARACTERS)
        # No history is shown that is longer, and no idea is longer than an answer.
        size = SHOWN_CHARACTERS // max(1, shown) - _HEADING
        size = min(size, round(llm.max_tokens * self._known.token_bytes))
        titles = min(SHOWN_TITLES, before)
        return self._question(part.mode, shown, titles, count, size, LONGEST_TITLE)


def _implementation(
    recipe: SearchRecipe, known: Guesses, codebase: str, ideas: int, first: bool, *, worst: bool
) -> Calls:
    """The first answers, revisions and repairs for an epoch's ideas; `first` is the run's first."""
    settings, llm = recipe.implementer, llm_of(recipe.implementer)
    if llm is None or isinstance(settings, DirectImplementerSettings):
        return Calls()
    longest = llm.max_tokens * known.token_bytes
    idea_bytes = min(longest, LONGEST_ANSWER) if worst else known.idea_bytes
    edit_bytes = longest if worst else known.edit_tokens * known.token_bytes
    shared = _size(system_text(settings.edit_format), codebase)
    asked = _size(question_text("")) + round(idea_bytes)
    wrong = LONGEST_PROBLEM if worst else SHORT_PROBLEM
    turn = round(min(edit_bytes, LONGEST_ANSWER)) + _size(revision_text("")) + wrong
    answer = known.edit_tokens + known.edit_thinking

    def call(turns: int, *, written: bool) -> Cost:
        """A request after so many answers that were not taken."""
        sizes = Sizes(shared, asked + turns * turn)
        return _call(llm, sizes, answer, known, written=written, worst=worst)

    firsts = settings.samples * ideas
    # Answers that begin together do not find each other's prompt in the cache.
    new = min(firsts, llm.concurrency) if first or _has_lapsed(known) else 0
    cost = call(0, written=True).times(new) + call(0, written=worst).times(firsts - new)
    rounds = settings.revisions if worst else min(known.revised, settings.revisions)
    for turns in range(1, math.ceil(rounds) + 1):
        cost += call(turns, written=worst).times(firsts * min(1.0, rounds - turns + 1))
    if settings.repair_within_s:
        repaired = ideas * (1.0 if worst else known.repaired)
        for turns in range(1, 2 + (settings.revisions if worst else 0)):
            cost += call(turns, written=worst).times(repaired)
    took = known.edit_s or min(answer, llm.max_tokens) / known.tokens_a_second
    chain = (llm.timeout_s if worst else took) * (1 + rounds)
    waves = firsts / llm.concurrency
    return Calls(cost, chain, chain * (math.ceil(waves) if worst else max(1.0, waves)))


def _has_lapsed(known: Guesses) -> bool:
    """Whether an epoch takes longer than a provider's cache holds."""
    return known.trial_s > CACHE_S


def _call(
    llm: LLMSettings, sizes: Sizes, answer: float, known: Guesses, *, written: bool, worst: bool
) -> Cost:
    """One request; what it has in common with others is written to the cache or read from it."""
    shared, own = sizes.shared / known.token_bytes, sizes.own / known.token_bytes
    prices = llm.prices
    caches = llm.api == "anthropic" or bool(prices.cache_read or prices.cache_write)
    usage = dict.fromkeys(("input", "cache_read", "cache_write"), 0.0) | {"input": own}
    kind = "input"
    if caches and shared >= CACHED_AT_LEAST:
        kind = "cache_write" if written else "cache_read"
    if worst:
        # As in the run's own budget: at the dearest of the three prices.
        kind = max(usage, key=lambda name: getattr(prices, name))
    usage[kind] += shared
    usage["output"] = float(llm.max_tokens) if worst else min(answer, llm.max_tokens)
    money = charge_of(Usage(**usage), prices).money  # type: ignore[arg-type]
    return Cost(calls=1, **usage, money=money)


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def _batches(count: int) -> list[int]:
    """As the ideator asks for `count` ideas."""
    return [BATCH] * (count // BATCH) + ([count % BATCH] if count % BATCH else [])


def _question(
    problem: str, mode: Mode, shown: int, titles: int, count: int, idea: int, title: int
) -> Sizes:
    """An ideator's real question, about placeholders: ideas and titles of so many characters."""
    history = [_placeholder(number, "x" * idea) for number in range(shown)]
    request = ideator.Request(mode, count, history, (), 0.0, Random(0))
    seen = shown_ideas(request, Random(0))
    named = ["x" * title] * titles
    asked = make_question(problem, request, seen, named, count=count, sample=0)
    own = (message.text for message in asked.messages)
    return Sizes(_size(asked.system, asked.shared), _size(*own))


def _placeholder(number: int, text: str, reward: float = 1.0) -> Executed:
    name = f"{number:07d}"
    outcome = Outcome(name, "completed", reward, metrics={"metric": reward})
    return Executed(Idea(name, text), outcome)


# More of either kind are in no prompt.
_ABOVE = [_placeholder(n, "", 1.0) for n in range(SHOWN_IDEAS)]
_BELOW = [_placeholder(SHOWN_IDEAS + n, "", -1.0) for n in range(SHOWN_IDEAS)]
