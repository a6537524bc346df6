"""Sequential refinement: one idea at a time, each an improvement on the best one so far."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ideator_rl.ideators.ideator import Executed
from ideator_rl.search.method import Part, above_baseline


def sequential(
    epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random
) -> list[Part]:
    """One idea: on the best idea above the baseline, or a sample while there is none."""
    parents = above_baseline(history, baseline)
    if not parents:
        return [Part("sample", 1)]
    return [Part("exploit", 1, [max(parents, key=lambda entry: entry.outcome.reward)])]
