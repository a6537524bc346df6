"""What an ideator behind an API is asked: the texts of `prompts/`, filled in.

    shown = shown_ideas(request, rng)
    question = make_question(problem_text(problem), request, shown, titles, count=10, sample=1)

The texts are Markdown with `$name` where something is filled in. The problem is the part that all
questions share; history, titles and what is wanted stand in the message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Template

from executor.llm.records import Message, Request
from executor.problem.problem import Problem
from executor.records import Idea
from executor.text.outside_text import clean_line
from executor.text.quoted import QUOTED, quoted
from gym_envs.prompt import history_prompt, problem_prompt
from ideator_rl.ideators.checkpoint import first_sentence
from ideator_rl.ideators.ideator import Executed, IdeaRequest

# About 75,000 tokens: a history beyond that would crowd out the codebase.
SHOWN_IDEAS, SHOWN_CHARACTERS = 100, 300_000
SHOWN_TITLES, LONGEST_TITLE = 200, 160
LONGEST_CHANGE = 100_000


def make_question(
    problem: str,
    request: IdeaRequest,
    shown: Sequence[Executed],
    titles: Sequence[str],
    *,
    count: int,
    sample: int,
    reason: str = "",
    change: str = "",
) -> Request:
    """Asks for `count` ideas. `titles` name those that are known, `reason` is why the last reply
    could not be used; `change` is how the code that the ideas are to change differs from the
    baseline, as a diff."""
    told = history_prompt((entry.idea.text, entry.outcome) for entry in shown)
    # A search may have no executed ideas yet.
    mode = request.mode if shown else "sample"
    values = {"history": told, "baseline": _baseline(request.baseline)}
    parent = [e.idea.id for e in shown].index(request.parent.idea.id) + 1 if request.parent else 0
    if request.base is not None:
        parts = [
            fill("extend", **values, number=str(parent), change=quoted(change, LONGEST_CHANGE))
        ]
    else:
        parts = [fill(mode, **values)]
        if parent:
            parts.append(fill("parent", number=str(parent)))
    if titles:
        listed = "\n".join(f"- {title}" for title in titles[-SHOWN_TITLES:])
        told = quoted(listed, SHOWN_TITLES * (LONGEST_TITLE + 3))
        parts.append(fill("known", titles=told if shown else f"{QUOTED}\n\n{told}"))
    parts.append(fill("answer", ideas="one idea" if count == 1 else f"{count} ideas"))
    if reason:
        parts.append(fill("retry", reason=reason))
    message = Message("user", "\n\n".join(parts))
    code = f"the code of idea {parent}" if request.base is not None else "the unchanged codebase"
    return Request("ideate", fill("ideator", code=code), problem, (message,), sample)


def problem_text(problem: Problem) -> str:
    """The problem's prompt without its form of an answer, which is one idea with edits."""
    return problem_prompt(problem, answer="")


def shown_ideas(request: IdeaRequest, rng: Random) -> list[Executed]:
    """The ideas of a request's history that a question shows, oldest first: for `exploit` the one
    to build on and the best, for `explore` any; none for `sample`."""
    if request.mode == "sample":
        return []
    if request.mode == "exploit":
        chosen = request.parent.idea.id if request.parent else None
        ranked = sorted(
            request.history, key=lambda e: (e.idea.id != chosen, -e.outcome.reward, e.idea.id)
        )
    else:
        ranked = rng.sample(list(request.history), len(request.history))
    shown: list[Executed] = []
    room = SHOWN_CHARACTERS
    for entry in ranked[:SHOWN_IDEAS]:
        room -= len(history_prompt([(entry.idea.text, entry.outcome)]))
        if room >= 0:
            shown.append(entry)
    return sorted(shown, key=lambda entry: (entry.idea.epoch, entry.idea.id))


def title_of(idea: Idea) -> str:
    """One short line."""
    return clean_line(str(idea.meta.get("title") or first_sentence(idea.text)), LONGEST_TITLE)


@cache
def _template(name: str) -> Template:
    text = (files("ideator_rl.ideators") / "prompts" / f"{name}.md").read_text()
    return Template(text.strip())


def fill(name: str, **values: str) -> str:
    """A text of `prompts/` with its values."""
    return _template(name).substitute(values)


def _baseline(reward: float) -> str:
    if math.isnan(reward):
        return "The baseline is still running."
    return f"The baseline's reward is {reward:.4g}."
