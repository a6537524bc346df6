"""What a run may use: a number of ideas and wall time, over all its sessions."""

from __future__ import annotations

import math
import time

from executor.run_records import seconds_used
from executor.store.runs import RunFolder
from executor.trial_keys import counts


class RunBudget:
    """Counts the ideas of a run, those that its earlier sessions began included: `begun`, by key.

    `deadline` is on the monotonic clock. Made before this session's own record.
    """

    def __init__(self, run: RunFolder, ideas: int | None, seconds: float | None) -> None:
        self._max_ideas = math.inf if ideas is None else ideas
        self._max_seconds = math.inf if seconds is None else seconds
        self.begun = frozenset(run.trials())
        self._admitted = {key for key in self.begun if counts(key)}
        used = seconds_used(run) if seconds is not None else 0.0
        self.deadline = time.monotonic() + self._max_seconds - used

    def admit(self, key: str) -> bool:
        """Whether this trial may run; an idea that is admitted once stays so."""
        if counts(key) and key not in self._admitted:
            if not self.ideas_left():
                return False
            self._admitted.add(key)
        return True

    def ideas_left(self) -> float:
        return max(0, self._max_ideas - len(self._admitted))

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def __str__(self) -> str:
        if not self.seconds_left():
            return f"the run's budget of {self._max_seconds:g} seconds is used up"
        return f"the run's budget of {self._max_ideas} ideas is used up"
