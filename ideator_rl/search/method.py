"""The contract of a search algorithm: which ideas to ask for next.

    for part in METHODS["evolution"](epoch=3, size=8, history=history, baseline=0.92, rng=rng):
        part.mode, part.count, part.history

A method is a pure function of what has been executed; proposing, executing, keeping and resuming
are the business of `loop.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ideator_rl.ideators.ideator import Executed, Mode


@dataclass(frozen=True)
class Part:
    """A share of an epoch: `count` ideas of one mode, and the past ideas that are shown for it."""

    mode: Mode
    count: int
    history: Sequence[Executed] = ()


Method = Callable[[int, int, Sequence[Executed], float, Random], Sequence[Part]]


def above_baseline(history: Sequence[Executed], baseline: float) -> list[Executed]:
    """The completed ideas whose reward beats the baseline's."""
    return [e for e in history if e.outcome.completed and e.outcome.reward > baseline]
