"""Is a gain real? Welch's interval, the noise floor, and the gain that n seeds can tell apart.

    >>> gain = welch([0.46, 0.47, 0.45], [0.41, 0.42, 0.40])
    >>> f"{gain.low:.3f} to {gain.high:.3f}"
    '0.027 to 0.073'
    >>> round(smallest_gain(sd=0.01, seeds=3), 3)
    0.035

Pure functions of rewards; every figure is in the rewards' own unit.
"""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
POWER = 0.8
_DRAWS = 40_000


@dataclass(frozen=True)
class Gain:
    """A difference of two means with its interval; None where a side has fewer than two values."""

    value: float
    low: float | None = None
    high: float | None = None


def welch(
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    comparisons: int = 1,
    level: float = LEVEL,
) -> Gain:
    """Mean of `ours` minus mean of `theirs`, with Welch's t interval (`scipy.stats.ttest_ind`);
    variances may differ.

    `comparisons` intervals made so hold together with probability `level` (Bonferroni). Values
    without any spread give an interval without width. Raises ValueError where a side is empty.
    """
    if not ours or not theirs:
        raise ValueError("both sides need at least one value")
    value = statistics.mean(ours) - statistics.mean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return Gain(value)
    from scipy.stats import ttest_ind  # takes long to import, and is needed once a search

    # In units of the largest value: squares of large ones would overflow.
    unit = max(map(abs, (*ours, *theirs))) or 1.0
    sides = ([reward / unit for reward in side] for side in (ours, theirs))
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of equal values
        test = ttest_ind(*sides, equal_var=False)
        low, high = test.confidence_interval(1 - (1 - level) / comparisons)
    reach = 0.0 if math.isnan(high - low) else unit * float(high - low) / 2
    return Gain(value, value - reach, value + reach)


def prediction_band(values: Sequence[float], *, level: float = LEVEL) -> tuple[float, float] | None:
    """Where one more value of the same kind falls with probability `level`; None for n < 2.

    mean ± t((1+level)/2; n-1) · s · √(1 + 1/n), for normal values (Hahn & Meeker, Statistical
    Intervals, 1991, section 4.7).
    """
    if len(values) < 2:
        return None
    mean, n = statistics.mean(values), len(values)
    from scipy.special import stdtrit

    quantile = float(stdtrit(n - 1, (1 + level) / 2))
    reach = quantile * statistics.stdev(values) * math.sqrt(1 + 1 / n)
    return mean - reach, mean + reach


def smallest_gain(sd: float, seeds: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The true gain whose `welch` interval lies above 0 with probability `power`.

    For `seeds` >= 2 trials of an idea against as many of the baseline, all normal with standard
    deviation `sd`. A gain d is seen where the difference without it, plus d, exceeds t(ν)·se, so d
    is a quantile of t(ν)·se - difference: found by simulation with a fixed seed, to about 1 %.
    (The textbook's noncentral t assumes a pooled variance and promises too much at 2 or 3 seeds.)
    """
    import numpy as np
    from scipy.special import stdtrit

    draws = np.random.default_rng(0).standard_normal((2, _DRAWS, seeds))
    means, squares = draws.mean(axis=2), draws.var(axis=2, ddof=1) / seeds
    error = np.sqrt(squares.sum(axis=0))
    freedom = error**4 * (seeds - 1) / (squares**2).sum(axis=0)
    missed = stdtrit(freedom, (1 + level) / 2) * error - (means[0] - means[1])
    return sd * float(np.quantile(missed, power))
