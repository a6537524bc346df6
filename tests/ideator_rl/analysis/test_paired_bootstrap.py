"""The paired bootstrap, against its definition and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.analysis.best_at_k import best_at_k
from ideator_rl.analysis.paired_bootstrap import Difference, paired_difference

PAIRS = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=4, max_size=20)


@given(PAIRS, st.integers(1, 3))
def test_the_interval_turns_with_the_sides(pairs: list[tuple[float, float]], k: int) -> None:
    ours, theirs = zip(*pairs, strict=True)
    one = paired_difference(ours, theirs, k, resamples=200)
    other = paired_difference(theirs, ours, k, resamples=200)
    assert one.value == best_at_k(ours, k) - best_at_k(theirs, k)
    if 4 * k > len(pairs):
        assert one.low is one.high is None
    else:
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


@given(st.lists(st.floats(-10, 10), min_size=4, max_size=20), st.floats(-5, 5))
def test_what_both_sides_share_cancels_out(theirs: list[float], gain: float) -> None:
    found = paired_difference([reward + gain for reward in theirs], theirs, resamples=200)
    assert (found.value, found.low, found.high) == pytest.approx((gain,) * 3, abs=1e-9)


@pytest.mark.parametrize("k", [1, 4])
def test_the_interval_is_the_percentiles_of_differences_of_drawn_pairs(k: int) -> None:
    rng = np.random.default_rng(4)
    theirs = rng.normal(0, 1, 40)
    ours = 0.5 * theirs + rng.normal(0.3, 1, 40)
    drawn = rng.integers(40, size=(20_000, 40))
    known = [best_at_k(ours[i].tolist(), k) - best_at_k(theirs[i].tolist(), k) for i in drawn]
    found = paired_difference(ours.tolist(), theirs.tolist(), k)
    assert (found.low, found.high) == pytest.approx(np.quantile(known, [0.025, 0.975]), abs=0.02)
    assert found == paired_difference(ours.tolist(), theirs.tolist(), k)


@pytest.mark.parametrize("k", [1, 4])
def test_the_interval_holds_the_truth_as_often_as_it_says(k: int) -> None:
    rng, runs, held = np.random.default_rng(6), 300, 0

    def draw(*shape: int) -> np.ndarray:
        """Rewards of two models: both fail as often, the first earns 0.1 more where it does not."""
        earned = rng.uniform(0.5, 1, (*shape, 2)) + np.array([0.1, 0.0])
        return np.where(rng.random((*shape, 2)) < 0.4, 0.0, earned)

    truth = float(np.subtract(*draw(200_000, k).max(axis=1).mean(axis=0)))
    for _ in range(runs):
        found = paired_difference(*draw(64).T.tolist(), k, resamples=500)
        held += found.low <= truth <= found.high
    # The percentile interval is a little short at n = 64, and 500 resamples make it shorter.
    assert held / runs > 0.90


def test_pairs_have_two_sides() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference([1.0], [1.0, 2.0])
    assert paired_difference([3.0], [1.0]) == Difference(2.0)
