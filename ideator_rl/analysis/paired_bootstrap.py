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
    """best@k of `ours` minus best@k of `theirs`, with its percentile interval
    (`scipy.stats.bootstrap`).

    Pairs are drawn with replacement, n of n, and both sides' best@k are taken of the same pairs, so
    that what the two have in common cancels out (Efron & Tibshirani, An Introduction to the
    Bootstrap, 1993, chapters 8 and 13). It is the same for every k, since best@k is a function of
    the pairs as a whole. The draws have a fixed seed: the same rewards give the same interval.

    There is no interval for k > n/4: near k = n, best@k is a maximum, whose bootstrap is wrong
    however large n is (Bickel & Freedman, Annals of Statistics 9, 1981, section 6).
    Raises ValueError where the sides differ in length, or k is not between 1 and that.
    """
    n = len(ours)
    if len(theirs) != n:
        raise ValueError(f"{n} rewards and {len(theirs)} are no pairs")
    value = best_at_k(ours, k) - best_at_k(theirs, k)
    if 4 * k > n:
        return Difference(value)
    import numpy as np
    from scipy.stats import bootstrap  # takes long to import, and is needed once an evaluation

    weights = np.asarray(best_weights(n, k))

    def difference(one: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray:
        return np.sort(one, axis) @ weights - np.sort(other, axis) @ weights

    low, high = bootstrap(
        (ours, theirs),
        difference,
        paired=True,
        method="percentile",
        confidence_level=level,
        n_resamples=resamples,
        batch=_AT_A_TIME,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Difference(value, float(low), float(high))
