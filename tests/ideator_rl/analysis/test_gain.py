"""The statistics of a gain, against Welch's formula and by simulation."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from ideator_rl.analysis.gain import Gain, prediction_band, smallest_gain, welch

REWARDS = st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=2, max_size=8)


@given(REWARDS, REWARDS, st.integers(1, 5))
def test_the_interval_is_welchs(ours: list[float], theirs: list[float], comparisons: int) -> None:
    """B. L. Welch, Biometrika 34, 1947, 28-35, with the degrees of freedom of Satterthwaite."""
    # Below this the variances lose their digits.
    assume(min(np.std(ours), np.std(theirs)) > 1e-6)
    own, other = (statistics.variance(side) / len(side) for side in (ours, theirs))
    freedom = (own + other) ** 2 / (own**2 / (len(ours) - 1) + other**2 / (len(theirs) - 1))
    reach = stats.t.ppf(1 - 0.05 / (2 * comparisons), freedom) * (own + other) ** 0.5
    found = welch(ours, theirs, comparisons=comparisons)
    assert found.value == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert (found.low, found.high) == pytest.approx(
        (found.value - reach, found.value + reach), rel=1e-6, abs=1e-6
    )


@given(REWARDS, REWARDS)
def test_the_interval_holds_the_gain_and_turns_with_the_sides(
    ours: list[float], theirs: list[float]
) -> None:
    gain, back = welch(ours, theirs), welch(theirs, ours)
    assert gain.low is not None and gain.high is not None
    assert gain.low <= gain.value <= gain.high
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=4))
def test_no_rewards_give_nan(rewards: list[float]) -> None:
    gain = welch(rewards, rewards)
    assert all(end is None or end == end for end in (gain.value, gain.low, gain.high))


def test_one_value_has_no_interval() -> None:
    assert welch([3.0], [1.0, 2.0]) == Gain(1.5, None, None)
    assert welch([3.0, 3.1], [1.0]).low is None
    assert prediction_band([1.0]) is None


def test_values_without_spread_have_an_interval_without_width() -> None:
    assert welch([3.0] * 3, [1.0] * 3) == Gain(2.0, 2.0, 2.0)
    one_sided = welch([3.0] * 3, [1.0, 1.1, 0.9])
    assert one_sided.low is not None and one_sided.low < 2.0


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        welch([], [1.0])


@pytest.mark.slow
@pytest.mark.parametrize("comparisons", [1, 3])
def test_intervals_hold_together_as_often_as_they_say(comparisons: int) -> None:
    rng = np.random.default_rng(1)
    runs, held = 1500, 0
    for _ in range(runs):
        baseline = rng.normal(0, 1, 4)
        gains = [
            welch(list(rng.normal(2, sd, 4)), list(baseline), comparisons=comparisons)
            for sd in np.linspace(0.5, 2, comparisons)
        ]
        held += all(g.low <= 2 <= g.high for g in gains if g.low is not None and g.high is not None)
    # Three standard errors of a share of 0.95; Welch's interval may be a little conservative.
    assert held / runs > 0.95 - 3 * (0.95 * 0.05 / runs) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_the_smallest_gain_is_found_four_times_of_five(seeds: int) -> None:
    rng, gain, runs = np.random.default_rng(2), smallest_gain(0.5, seeds), 1500
    found = [
        welch(list(rng.normal(gain, 0.5, seeds)), list(rng.normal(0, 0.5, seeds))).low > 0
        for _ in range(runs)
    ]
    assert sum(found) / runs == pytest.approx(0.8, abs=0.04)


def test_the_band_holds_one_more_value_as_often_as_it_says() -> None:
    rng, runs = np.random.default_rng(3), 3000
    draws = rng.normal(5, 2, (runs, 4))
    bands = [prediction_band(list(row[:3])) for row in draws]
    held = sum(band[0] <= row[3] <= band[1] for band, row in zip(bands, draws, strict=True) if band)
    assert held / runs == pytest.approx(0.95, abs=0.012)
