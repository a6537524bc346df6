"""How a problem is put to a language model, and how an idea is read from its answer.

    >>> chat_messages("Write one idea.")
    [{'role': 'user', 'content': 'Write one idea.'}]
    >>> answer = read_answer("<think>Steps are small.</think>[Experiment] …")
    >>> answer.thinking, answer.idea
    ('Steps are small.', '[Experiment] …')

A model may think first; its idea is what follows the last `</think>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from executor.problem.problem import Problem
from gym_envs.prompt import EDITS, WORDS, problem_prompt

THINK, END_THINK = "<think>", "</think>"

# What an ideator is shown of a problem: everything, to answer with edits (`full`) or in words only
# (`words`), or its title alone (`brief`). The last is for models so small that reading the codebase
# is beyond them; they know it from their warm start.
PromptStyle = Literal["full", "words", "brief"]

Messages = list[dict[str, str]]


class Answer(NamedTuple):
    """A model's answer in its two parts, without the marks between them."""

    thinking: str
    idea: str


def style_prompt(
    problem: Problem, style: PromptStyle, codebase: Mapping[str, str] | None = None
) -> str:
    """The problem as one text, by default with the baseline to change; a brief one has no code."""
    if style != "brief":
        return problem_prompt(problem, EDITS if style == "full" else WORDS, codebase)
    return f"{problem.file.title}: write one idea."


def chat_messages(prompt: str) -> Messages:
    """One user's turn, for a chat template."""
    return [{"role": "user", "content": prompt}]


def read_answer(text: str) -> Answer:
    """Splits an answer. One that never stopped thinking holds no idea; chat templates may have
    written the opening mark into the prompt, so that it can be missing here."""
    thinking, mark, idea = text.rpartition(END_THINK)
    if not mark and THINK in text:
        thinking, idea = text, ""
    return Answer(thinking.replace(THINK, "", 1).strip(), idea.strip())


def write_answer(thinking: str, idea: str) -> str:
    """An answer that `read_answer` splits so."""
    return f"{THINK}{thinking}{END_THINK}{idea.strip()}"
