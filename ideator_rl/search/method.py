"""The contract of a search algorithm: which ideas to ask for next.

    >>> from ideator_rl.search.methods import METHODS
    >>> parts = METHODS["best_of_n"](0, 8, [], 0.92, Random(0))
    >>> [(part.mode, part.count) for part in parts]
    [('sample', 8)]

A method is a pure function of what has been executed; `loop.py` proposes, executes, stores and
resumes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ideator_rl.ideators.ideator import Executed, Mode


@dataclass(frozen=True)
class Part:
    """A share of an epoch.

    Args:
        mode: the kind of ideas, see `ideators/ideator.py`.
        count: how many ideas.
        history: the executed ideas that the ideator is shown for them.
        parent: the one of them to build on, if the method chooses it. With `search.base: parent`
            the ideas change its codebase; where none is chosen, those that exploit get one each by
            lot, see `parents.py`, and others change the baseline.
        group: any name of the method's own; it is kept with the ideas (`Idea.group`).
    """

    mode: Mode
    count: int
    history: Sequence[Executed] = ()
    parent: Executed | None = None
    group: str = ""


class Method(Protocol):
    """A search method: a pure function."""

    def __call__(
        self, epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random, /
    ) -> Sequence[Part]:
        """Says which ideas an epoch asks for.

        Args:
            epoch: its number, from 0.
            size: how many ideas it has, at most.
            history: the executed ideas of earlier epochs.
            baseline: the mean reward of the unpatched codebase; NaN while that still runs.
            rng: its state depends on the recipe and the epoch only.

        Returns:
            The epoch's parts, whose counts sum to `size`; `sequential` asks for one idea only.
        """


def above_baseline(history: Iterable[Executed], baseline: float) -> list[Executed]:
    """The completed ideas whose reward beats the baseline's."""
    return [e for e in history if e.outcome.completed and e.outcome.reward > baseline]
