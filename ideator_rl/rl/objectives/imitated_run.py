"""The best ideas of another run, which a training imitates from its first step on.

examples = find_examples("evolved", run, problem, seed=0, best=16)    # before anything starts
keep_examples(run, examples)              # <run>/imitation/from.json, once

What that run does later, or that it is removed, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from executor.errors import UserError
from executor.problem.problem import Problem
from executor.records import Idea, Outcome
from executor.run_records import read_start
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from ideator_rl.ideators.archive import Archive
from ideator_rl.ideators.ideator import Executed
from ideator_rl.run_parts import on_problem
from ideator_rl.run_path import find_run

FOLDER = "imitation"
_FILE = f"{FOLDER}/from.json"
# Times as many as are imitated at once: some may be too long for an answer.
_SPARE = 4


@dataclass(frozen=True)
class Example(StrictRecord):
    """An idea of another run, named RUN/ID and without parents, and its outcome."""

    idea: Idea
    outcome: Outcome


@dataclass(frozen=True)
class Examples(StrictRecord):
    """The best distinct ideas of another run, the best first."""

    ideas: tuple[Example, ...]


def find_examples(
    source: str, run: RunFolder, problem: Problem, seed: int, best: int
) -> list[Executed]:
    """The ideas to imitate: those that the run has kept, else the best of `source`.

    Args:
        source: the other run, its name in the same store or STORE/runs/RUN.
        run: the training.
        problem: what the training is about.
        seed: of its trials: by it a codebase is known as one that the training runs itself.
        best: how many are imitated at once.

    Raises:
        UserError: there is no such run, or nothing in it that can be imitated here.
    """
    if has_examples(run):
        return kept_examples(run)
    other = _find(source, run, problem)
    start = read_start(other)
    if start is None:
        raise UserError(
            f"imitation.from: {source} has executed nothing; name a search or a training on "
            f"{problem.name}"
        )
    if start.problem != problem.name:
        raise UserError(
            f"imitation.from: {source} is a run on {start.problem}, and this one is on "
            f"{problem.name}"
        )
    if start.version != problem.version:
        raise UserError(
            f"imitation.from: {source} was measured on another version of {problem.name} (other "
            "data, another secret or other settings): its rewards do not compare"
        )
    archive = Archive(other)
    archive.read()
    # Edits of another idea's codebase are no answer to a prompt that shows the baseline's.
    done = [e for e in archive.ideas.values() if e.outcome.completed and not e.idea.base]
    ranked = sorted(done, key=lambda entry: (-entry.outcome.reward, entry.idea.id))
    found = _distinct(ranked, other, problem, seed, _SPARE * best)
    if not found:
        raise UserError(f"imitation.from: no idea of {source} that can be imitated has completed")
    return found


def is_about(source: str, run: RunFolder, problem: Problem) -> bool:
    """Whether a run, or the part of a training on several problems, is about a problem. Raises
    UserError where there is no such run."""
    start = read_start(_find(source, run, problem))
    return start is not None and start.problem == problem.name


def keep_examples(run: RunFolder, examples: Sequence[Executed]) -> None:
    """Keeps them in the training's run, if it has kept none yet."""
    if not has_examples(run):
        run.keep(_FILE, Examples(tuple(Example(e.idea, e.outcome) for e in examples)))


def has_examples(run: RunFolder) -> bool:
    """Whether `keep_examples` kept what a run imitates, be it nothing. Raises StoreError."""
    return run.kept(_FILE, Examples) is not None


def kept_examples(run: RunFolder) -> list[Executed]:
    """What `keep_examples` kept; empty where a run imitates itself alone. Raises StoreError."""
    kept = run.kept(_FILE, Examples)
    return [Executed(example.idea, example.outcome) for example in kept.ideas] if kept else []


def _find(source: str, run: RunFolder, problem: Problem) -> RunFolder:
    url = run.url.removesuffix(f"/runs/{run.name}")
    path = source if "/" in source else f"{url}/runs/{source}"
    try:
        other = on_problem(find_run(path), problem.name)
    except UserError as error:
        raise UserError(f"imitation.from: {error}") from None
    if other.url == run.url:
        raise UserError(
            "imitation.from: this is the run itself, whose ideas are imitated anyway; leave it out"
        )
    return other


def _distinct(
    ranked: Sequence[Executed], other: RunFolder, problem: Problem, seed: int, most: int
) -> list[Executed]:
    """The first of each codebase, under the hash that it has in the training."""
    found: dict[str, Executed] = {}
    for entry in ranked:
        if len(found) == most:
            break
        if files := other.codebase(entry.idea.id):
            code = problem.content_hash(files, seed)
            idea = replace(entry.idea, id=f"{other.name}/{entry.idea.id}", parents=())
            named = Executed(idea, replace(entry.outcome, content_hash=code))
            found.setdefault(code, named)
    return list(found.values())
