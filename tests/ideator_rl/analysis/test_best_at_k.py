"""best@k against its definition, and against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.analysis.best_at_k import best_at_k, best_weights

REWARDS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


@given(REWARDS, st.data())
def test_it_is_the_mean_maximum_over_all_subsets(rewards: list[float], data) -> None:
    k = data.draw(st.integers(1, len(rewards)))
    brute = fmean(max(subset) for subset in combinations(rewards, k))
    assert best_at_k(rewards, k) == pytest.approx(brute, abs=1e-6)


@given(REWARDS)
def test_it_grows_from_the_mean_to_the_maximum(rewards: list[float]) -> None:
    curve = [best_at_k(rewards, k) for k in range(1, len(rewards) + 1)]
    assert curve[0] == pytest.approx(fmean(rewards), abs=1e-6) and curve[-1] == max(rewards)
    assert all(a <= b + 1e-6 for a, b in pairwise(curve))


@given(st.integers(1, 600), st.data())
def test_the_weights_are_exact_for_any_size(n: int, data) -> None:
    k = data.draw(st.integers(1, n))
    weights = best_weights(n, k)
    assert math.fsum(weights) == pytest.approx(1, rel=1e-12)
    i = data.draw(st.integers(1, n))
    exact = Fraction(math.comb(i - 1, k - 1), math.comb(n, k))
    # What is smaller than the smallest float may be 0.
    assert weights[i - 1] == pytest.approx(float(exact), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("k", [0, 4, -1])
def test_k_is_a_number_of_these_rewards(k: int) -> None:
    with pytest.raises(ValueError, match=f"best@{k} of 3"):
        best_at_k([1.0, 2.0, 3.0], k)
