"""A training on several problems and the runs of its problems, each of which knows the other.

    keep_part(whole, part)               # <whole>/parts/000.json, <part>/part_of.json
    parts_of(whole), whole_of(part)
    on_problem(run, "digits")            # of such a training the run of that problem
    with_trials(run)                     # of such a training all of them, else the run itself

The run of a problem has its trials and is like any other run; that of the training has the rest:
figures, checkpoints, the model.
"""

from __future__ import annotations

from executor.run_records import read_start
from executor.store.runs import RunFolder
from ideator_rl.linked_runs import link, linked, linked_from

PARTS, PART_OF = "parts", "part_of.json"


def part_name(whole: str, problem: str) -> str:
    """How the run of a problem is called."""
    return f"{whole}.{problem}"


def keep_part(whole: RunFolder, part: RunFolder) -> None:
    """Notes in both runs that the one has the trials of a problem of the other. Raises
    StoreError."""
    link(whole, PARTS, part, PART_OF)


def parts_of(whole: RunFolder) -> list[RunFolder]:
    """The runs of the problems of a training; none for any other run. Raises StoreError."""
    return linked(whole, PARTS)


def whole_of(part: RunFolder) -> RunFolder | None:
    """The training that a run has a problem of; None for any other run. Raises StoreError."""
    return linked_from(part, PART_OF)


def on_problem(run: RunFolder, problem: str) -> RunFolder:
    """Of a training on several problems the run of this one, if it is among them; else the run
    itself. Raises StoreError."""
    for part in parts_of(run):
        start = read_start(part)
        if start is not None and start.problem == problem:
            return part
    return run


def with_trials(run: RunFolder) -> list[RunFolder]:
    """Of a training on several problems the runs of all of them; else the run itself. Raises
    StoreError."""
    return parts_of(run) or [run]
