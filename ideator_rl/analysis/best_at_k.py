"""best@k: what the best of k ideas earns on the average, estimated from n ideas.

    >>> round(best_at_k([0.0, 0.4, 0.2], k=2), 3)      # the mean of max(pair) over all pairs
    0.333

best@1 is the mean, best@n the maximum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_at_k(rewards: Sequence[float], k: int) -> float:
    """The mean over all subsets of k rewards of their maximum, exactly.

    Σᵢ r₍ᵢ₎ · C(i-1, k-1) / C(n, k) over the rewards in ascending order: the i-th is the maximum of
    the subsets that it forms with k-1 of the i-1 below it. Unbiased for k independent ideas.
    Raises ValueError unless 1 <= k <= n.
    """
    weights = best_weights(len(rewards), k)
    return math.fsum(w * r for w, r in zip(weights, sorted(rewards), strict=True))


def best_weights(n: int, k: int) -> list[float]:
    """C(i-1, k-1) / C(n, k) for i = 1 … n: what each of n ascending rewards counts for.

    From the last, k/n, downwards: the ratio of neighbours is (i-k) / (i-1), so that no binomial is
    ever formed and the relative error stays below 2n units in the last place.
    """
    if not 1 <= k <= n:
        raise ValueError(f"best@{k} of {n} rewards: k must be between 1 and their number")
    weights = [k / n]
    for i in range(n, 1, -1):
        weights.append(weights[-1] * (i - k) / (i - 1) if i > k else 0.0)
    return weights[::-1]
