"""Turns by weights, without chance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.recipe.shares import Shares

WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=6)


@given(weights=WEIGHTS, seed=st.integers(0, 2**32 - 1), turns=st.integers(1, 200))
def test_everybody_has_had_a_weighted_share_at_any_time(
    weights: list[float], seed: int, turns: int
) -> None:
    shares, counts = Shares(weights, seed), [0] * len(weights)
    for number in range(turns):
        counts[shares.at(number)] += 1
        due = [(number + 1) * weight / sum(weights) for weight in weights]
        assert all(abs(had - own) < 1 for had, own in zip(counts, due, strict=True))


@given(weights=WEIGHTS, seed=st.integers(0, 99), numbers=st.permutations(range(20)))
def test_a_turn_does_not_depend_on_which_were_asked_before(
    weights: list[float], seed: int, numbers: list[int]
) -> None:
    shares = Shares(weights, seed)
    found = {number: shares.at(number) for number in numbers}
    assert [found[n] for n in range(20)] == [Shares(weights, seed).at(n) for n in range(20)]


def test_the_seed_says_who_comes_first_where_that_is_open() -> None:
    assert {Shares([1, 1, 1], seed).at(0) for seed in range(20)} == {0, 1, 2}
    assert [Shares([1, 3], seed).at(0) for seed in range(20)] == [1] * 20
