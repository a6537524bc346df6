"""Is one model better than another? Paired bootstrap intervals of differences of best@k.

    paired_difference(after, before)         # of the means: Difference(0.16, low=0.10, high=0.22)
    paired_difference(after, before, k=4)

The i-th rewards of both sides are a pair: two models' ideas that were drawn with the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ideator_rl.analysis.best_at_k import best_at_k, best_weights

LEVEL = 0.95
RESAMPLES = 10_000
_AT_A_TIME = 500


@dataclass(frozen=True)
class Difference:
    """best@k of one side minus that of the other; no interval where there are too few rewards."""

    value: float
    low: float | None = None
    high: float | None = None


def paired_difference(
    ours: Sequence[float],
    theirs: Sequence[float],
    k: int = 1,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Difference:
    """best@k of `ours` minus best@k of `theirs`, with its percentile interval.

    Pairs are drawn with replacement, n of n, and both sides' best@k are taken of the same pairs, so
    that what the two have in common cancels out (Efron & Tibshirani, An Introduction to the
    Bootstrap, 1993, chapters 8 and 13). It is the same for every k, since best@k is a function of
    the pairs as a whole. The draws have a fixed seed: the same rewards give the same interval.

    There is no interval for k > n/4: near k = n, best@k is a maximum, whose bootstrap is wrong
    however large n is (Bickel & Freedman, Annals of Statistics 9, 1981, section 6).
    Raises ValueError where the sides differ in length, or k is not between 1 and that.
    """
    import numpy as np

    n = len(ours)
    if len(theirs) != n:
        raise ValueError(f"{n} rewards and {len(theirs)} are no pairs")
    value = best_at_k(ours, k) - best_at_k(theirs, k)
    if 4 * k > n:
        return Difference(value)
    rng = np.random.default_rng(0)
    sides = np.asarray([ours, theirs], float)
    weights = np.asarray(best_weights(n, k))
    parts = []
    for begin in range(0, resamples, _AT_A_TIME):
        drawn = rng.integers(n, size=(min(_AT_A_TIME, resamples - begin), n))
        one, other = np.sort(sides[:, drawn], axis=-1) @ weights
        parts.append(one - other)
    low, high = np.quantile(np.concatenate(parts), [(1 - level) / 2, (1 + level) / 2])
    return Difference(value, float(low), float(high))
