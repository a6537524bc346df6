"""Draws an idea by its rank, as searches and the library ideator choose what to build on."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ideator_rl.ideators.ideator import Executed


def by_rank(history: Sequence[Executed], rng: Random) -> Executed:
    """One idea; the better of the ideas, the likelier (linear ranking)."""
    ranked = sorted(history, key=lambda entry: entry.outcome.reward)
    return rng.choices(ranked, range(1, len(ranked) + 1))[0]
