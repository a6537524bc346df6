"""The prompt of an ideator: the task, its rules, the codebase, and earlier ideas with outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Template

from executor.problem.problem import MAX_FILE_BYTES, Problem
from executor.records import Outcome
from executor.text.outside_text import clean_line
from executor.text.quoted import QUOTED, quoted, quoted_line

# Characters of an idea, and of the reason why one failed, that others are shown.
LONGEST_IDEA, LONGEST_REASON = 20_000, 1000
LONGEST_PATH = 500

_PROMPT = Template(
    """\
# $title

$task

## Rules
- You may change: $editable. Never touch: $frozen.
- Budget of one run: $seconds $kind seconds on $cpus CPU core(s) and $gpus GPU(s).
- Reward: $reward.

$answer## The codebase
$codebase"""
)


# How to answer: an idea with its edits, or in words, for somebody else to write the code.
EDITS = """\
## How to answer
Write one idea in this form, with edits that apply to the code below:

[Experiment] what to change and why it should help, in plain words.
[Code Changes] a unified diff, SEARCH/REPLACE blocks, or lines like `name: old -> new`.

"""
WORDS = """\
## How to answer
Write one idea in this form. An engineer who sees only your idea and the code below writes the code:

[Experiment] what to change and why it should help.
[Code Changes] which files, functions and settings change and how, with every value; no diff.

"""


def problem_prompt(
    problem: Problem, answer: str = EDITS, codebase: Mapping[str, str] | None = None
) -> str:
    """The problem as one text.

    Args:
        problem: the problem.
        answer: the form of the answer, `EDITS` or `WORDS`; nothing where that is said elsewhere.
        codebase: what is to be changed, path to text, untrusted; by default the baseline.

    Returns:
        Task, rules, form of the answer, every file of the codebase.
    """
    file = problem.file
    if codebase is None:
        listed = [f"### {path}\n```\n{text}```" for path, text in problem.codebase.items()]
    else:
        files = codebase.items()
        listed = [QUOTED, *(f"### {clean_line(p, LONGEST_PATH)}\n{_code(t)}" for p, t in files)]
    return _PROMPT.substitute(
        title=file.title,
        task=file.task.strip(),
        editable=file.files.editable_in_words,
        frozen=", ".join(file.files.frozen) or "(nothing)",
        seconds=f"{file.budget.seconds:g}",
        kind=file.budget.kind,
        cpus=file.resources.cpus,
        gpus=file.resources.gpus,
        reward=file.reward.in_words(),
        answer=answer,
        codebase="\n\n".join(listed),
    )


def _code(text: str) -> str:
    return quoted(text, MAX_FILE_BYTES)


def history_prompt(history: Iterable[tuple[str, Outcome]]) -> str:
    """Ideas that were executed and how each ended, oldest first; empty without any."""
    told = [
        f"### Idea {number}: {summary(outcome)}\n{quoted(text, LONGEST_IDEA)}"
        for number, (text, outcome) in enumerate(history, start=1)
    ]
    return "\n\n".join([QUOTED, *told]) if told else ""


def summary(outcome: Outcome) -> str:
    """One line: status, reward and metrics, or why it failed, which is quoted."""
    if outcome.completed:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in outcome.metrics.items())
        return f"completed, reward {outcome.reward:.4g} ({metrics})"
    return f"{outcome.status.replace('_', ' ')}: {quoted_line(outcome.detail, LONGEST_REASON)}"
