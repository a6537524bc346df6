"""The names of a run's trials: an idea's id, with its seed where that is not the run's own.

>>> trial_key("00-003", seed=7, run_seed=0)
'00-003.seed7'
>>> repeat_seed("00-003.seed7"), repeat_seed("00-003"), counts("00-003"), counts(BASELINE)
(7, None, True, False)
"""

from __future__ import annotations

import re

from executor.errors import UserError

BASELINE = "baseline"
_IDEA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_REPEAT = re.compile(r".+\.seed(-?[0-9]+)")


def trial_key(idea_id: str, seed: int, run_seed: int) -> str:
    """The name of a trial's folder; `run_seed` is the seed that the run's ideas get."""
    return idea_id if seed == run_seed else f"{idea_id}.seed{seed}"


def repeat_seed(key: str) -> int | None:
    """The seed of a repeat; None for a trial that has the seed of its run."""
    match = _REPEAT.fullmatch(key)
    return int(match[1]) if match else None


def counts(key: str) -> bool:
    """Whether a trial is an idea's first: neither the baseline nor a repeat with another seed."""
    return key != BASELINE and repeat_seed(key) is None


def check_idea_id(idea_id: str) -> None:
    """Raises UserError for what no idea may be called."""
    if not _IDEA_ID.fullmatch(idea_id):
        raise UserError(f"idea id {idea_id!r}: use up to 128 letters, digits, `.`, `-` and `_`")
    if not counts(idea_id):
        raise UserError(f"idea id {idea_id!r}: this name is kept for trials of the executor's own")
