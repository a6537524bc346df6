"""Paired comparisons of arms: a run of one arm with that of another that has the same seed.

compare(chosen, grpo)            # Difference(mean=0.012, low=0.008, high=0.016, p=0.0003, n=10)
holm([0.01, 0.04, 0.03])         # [0.03, 0.06, 0.06]
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy import stats


class Difference(NamedTuple):
    """The mean difference, its 95 % interval, and the two-sided p of the paired t-test."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def compare(one: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """Two arms' figures by seed; None where they share fewer than three seeds."""
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) < 3:
        return None
    gaps = [one[seed] - other[seed] for seed in seeds]
    if statistics.pstdev(gaps) == 0:
        return Difference(gaps[0], gaps[0], gaps[0], 1.0 if gaps[0] == 0 else 0.0, len(gaps))
    found = stats.ttest_1samp(gaps, 0.0)
    low, high = found.confidence_interval(0.95)
    mean = statistics.fmean(gaps)
    return Difference(mean, float(low), float(high), float(found.pvalue), len(gaps))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: each p as it stands among so many that were asked for."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    found, worst = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[i]))
        found[i] = worst
    return found
