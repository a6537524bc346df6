"""Evolutionary search with the schedule of arXiv 2601.14525, section 3.

Epoch 0 samples. Afterwards a share min(0.5 + 0.1·⌊epoch / 2⌋, 0.8) of each epoch exploits, that is
improves on ideas that beat the baseline; the rest explores, shown a sample of up to 100 past ideas
with their results, failures included.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ideator_rl.ideators.ideator import Executed
from ideator_rl.search.method import Part, above_baseline

SHOWN_IDEAS = 100


def exploit_share(epoch: int) -> float:
    """The share of an epoch's ideas that build on ideas above the baseline."""
    return 0.0 if epoch == 0 else min(0.5 + 0.1 * (epoch // 2), 0.8)


def evolution(
    epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random
) -> list[Part]:
    """The parts of one epoch; everything explores while no idea beats the baseline."""
    if epoch == 0:
        return [Part("sample", size)]
    parents = above_baseline(history, baseline)
    exploited = round(size * exploit_share(epoch)) if parents else 0
    shown = rng.sample(list(history), min(SHOWN_IDEAS, len(history)))
    parts = [Part("exploit", exploited, parents), Part("explore", size - exploited, shown)]
    return [part for part in parts if part.count]
