"""The contract of a search algorithm: which ideas to ask for next.

    >>> from ideator_rl.search.methods import METHODS
    >>> parts = METHODS["best_of_n"](0, 8, [], 0.92, Random(0))
    >>> [(part.mode, part.count) for part in parts]
    [('sample', 8)]

A method is a pure function of what has been executed; `loop.py` proposes, executes, stores and
resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ideator_rl.ideators.ideator import Executed, Mode


@dataclass(frozen=True)
class Part:
    """A share of an epoch.

    Args:
        mode: the kind of ideas, see `ideators/ideator.py`.
        count: how many ideas.
        history: the executed ideas that the ideator is shown for them.
    """

    mode: Mode
    count: int
    history: Sequence[Executed] = ()


# Args: the epoch's number, from 0; how many ideas it has; the executed ideas of earlier epochs; the
# mean reward of the baseline (NaN in epoch 0); a random generator whose state depends on the recipe
# and the epoch only. Returns the epoch's parts, whose counts sum to its size. Raises nothing.
Method = Callable[[int, int, Sequence[Executed], float, Random], Sequence[Part]]


def above_baseline(history: Sequence[Executed], baseline: float) -> list[Executed]:
    """The completed ideas whose reward beats the baseline's."""
    return [e for e in history if e.outcome.completed and e.outcome.reward > baseline]
