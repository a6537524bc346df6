"""Best of N: every idea is a first idea; nothing is learnt from what was executed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ideator_rl.ideators.ideator import Executed
from ideator_rl.search.method import Part


def best_of_n(
    epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random
) -> list[Part]:
    """One part: `size` more samples."""
    return [Part("sample", size)]
