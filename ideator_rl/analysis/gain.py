"""Is a gain real? Welch's interval, the noise floor, and the gain that n seeds can tell apart.

    welch([0.46, 0.47, 0.45], [0.41, 0.42, 0.40])     # Gain(0.05, low=0.027, high=0.073)
    smallest_gain(sd=0.01, seeds=3)                   # 0.035

Pure functions of rewards; every figure is in the rewards' own unit.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """Mean of `ours` minus mean of `theirs`, with Welch's t interval; variances may differ.

    With n, m values and standard deviations s, r: se² = s²/n + r²/m, and Welch-Satterthwaite
    degrees of freedom ν = se⁴ / ((s²/n)²/(n-1) + (r²/m)²/(m-1)); the interval is the difference
    ± t(1 - (1-level) / (2·comparisons); ν) · se. (B. L. Welch, Biometrika 34, 1947, 28-35.)

    `comparisons` intervals made so hold together with probability `level` (Bonferroni). Values
    without any spread give an interval without width. Raises ValueError where a side is empty.
    """
    if not ours or not theirs:
        raise ValueError("both sides need at least one value")
    value = statistics.mean(ours) - statistics.mean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return Gain(value)
    own = statistics.stdev(ours) / math.sqrt(len(ours))
    other = statistics.stdev(theirs) / math.sqrt(len(theirs))
    error = math.hypot(own, other)
    if error == 0:
        return Gain(value, value, value)
    # As shares of the error: fourth powers of small deviations would underflow.
    freedom = 1 / ((own / error) ** 4 / (len(ours) - 1) + (other / error) ** 4 / (len(theirs) - 1))
    reach = float(_t_quantile(1 - (1 - level) / (2 * comparisons), freedom)) * error
    return Gain(value, value - reach, value + reach)


def prediction_band(values: Sequence[float], *, level: float = LEVEL) -> tuple[float, float] | None:
    """Where one more value of the same kind falls with probability `level`; None for n < 2.

    mean ± t((1+level)/2; n-1) · s · √(1 + 1/n), for normal values (Hahn & Meeker, Statistical
    Intervals, 1991, section 4.7).
    """
    if len(values) < 2:
        return None
    mean, n = statistics.mean(values), len(values)
    reach = (
        float(_t_quantile((1 + level) / 2, n - 1)) * statistics.stdev(values) * math.sqrt(1 + 1 / n)
    )
    return mean - reach, mean + reach


def smallest_gain(sd: float, seeds: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The true gain whose `welch` interval lies above 0 with probability `power`.

    For `seeds` >= 2 trials of an idea against as many of the baseline, all normal with standard
    deviation `sd`. A gain d is seen where the difference without it, plus d, exceeds t(ν)·se, so d
    is a quantile of t(ν)·se - difference: found by simulation with a fixed seed, to about 1 %.
    (The textbook's noncentral t assumes a pooled variance and promises too much at 2 or 3 seeds.)
    """
    import numpy as np

    draws = np.random.default_rng(0).standard_normal((2, _DRAWS, seeds))
    means, squares = draws.mean(axis=2), draws.var(axis=2, ddof=1) / seeds
    error = np.sqrt(squares.sum(axis=0))
    freedom = error**4 * (seeds - 1) / (squares**2).sum(axis=0)
    missed = _t_quantile((1 + level) / 2, freedom) * error - (means[0] - means[1])
    return sd * float(np.quantile(missed, power))


def _t_quantile(probability: float, freedom: Any) -> Any:
    """Student's t: the value exceeded with 1 - `probability`; ν, one or an array, is any number."""
    from scipy.special import stdtrit  # takes long to import, and is needed once a search

    return stdtrit(freedom, probability)
