"""What a search knows before its first idea: the ideas of another run of the store.

    earlier = load_history(executor.run, store, problem, "theirs")      # search.history: theirs

Ideas that were measured here on this very problem come with their outcomes, and count like the
search's own for those who write the next ones. Claimed ones (`ideator-rl import`) are shown as what
they are, and are not improved on as if they beat the baseline. Neither is ever the search's best.
Which ideas were measured is recorded at the first start, so that a resumed search knows the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from executor.errors import UserError
from executor.problem.problem import Problem
from executor.run_records import read_start
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder, Store
from executor.store.threads import in_threads
from executor.trial_keys import counts
from ideator_rl.claims.claim import as_executed
from ideator_rl.claims.kept_claims import read_claims, read_import
from ideator_rl.ideators.ideator import Executed
from ideator_rl.run_parts import on_problem, parts_of

FILE = "history.json"


@dataclass(frozen=True)
class Known(StrictRecord):
    """The ids of the ideas of another run that had been measured when a search began."""

    measured: tuple[str, ...]


def load_history(
    own: RunFolder, store: Store, problem: Problem, name: str | None
) -> list[Executed]:
    """The ideas of another run, each named `run:id`; none without a name.

    Args:
        own: the search's run, which keeps what it knew.
        store: where the other run is.
        problem: the search's problem.
        name: the other run.

    Raises:
        UserError: there is no such run, or it is about another problem, or another version of it,
            whose rewards do not compare.
    """
    if name is None:
        return []
    if name == own.name:
        raise UserError(f"search.history: {name} is this search's own run; name another")
    run = on_problem(store.run(name), problem.name)
    start, imported = read_start(run), read_import(run)
    if parts_of(run):
        raise UserError(
            f"search.history: the run {name} is a training on several problems, and none of them "
            f"is {problem.name}"
        )
    if start is None and imported is None:
        raise UserError(f"search.history: {run.url} holds neither a run nor what was imported")
    about = start.problem if start else imported.problem if imported else ""
    if about != problem.name:
        raise UserError(f"search.history: the run {name} is about {about}, not {problem.name}")
    if start is not None and start.version != problem.version:
        raise UserError(
            f"search.history: the run {name} was measured on another version of {problem.name}"
        )
    measured = _measured(run) if start else []
    if (known := own.kept(FILE, Known)) is None:
        known = Known(tuple(entry.idea.id for entry in measured))
        own.keep(FILE, known)
    measured = [entry for entry in measured if entry.idea.id in known.measured]
    failure = problem.file.reward.failure
    claimed = [as_executed(c, failure) for c in read_claims(run) if c.id not in known.measured]
    return [_named(entry, name) for entry in [*measured, *claimed]]


def _measured(run: RunFolder) -> list[Executed]:
    keys = [key for key in run.trials() if counts(key)]
    outcomes = run.outcomes(keys)
    ideas = zip(outcomes.items(), in_threads(run.idea, outcomes), strict=True)
    return [Executed(idea, outcome) for (_, outcome), idea in ideas if idea is not None]


def _named(entry: Executed, run: str) -> Executed:
    """No idea of the search's own has a colon in its id."""
    parents = tuple(f"{run}:{parent}" for parent in entry.idea.parents)
    return Executed(
        replace(entry.idea, id=f"{run}:{entry.idea.id}", parents=parents), entry.outcome
    )
