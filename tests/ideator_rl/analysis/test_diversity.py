"""Distinct texts and their similarity, against the definitions."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.analysis.diversity import distinct, mean_similarity, similarities, similarity

WORDS = st.lists(st.sampled_from(["lr", "->", "0.1", "relu", "\n"]), max_size=8).map(" ".join)
TEXTS = st.lists(WORDS | st.text(max_size=12), max_size=8)


@given(TEXTS, st.randoms())
def test_the_mean_is_over_all_pairs_in_any_order(texts: list[str], rng) -> None:
    pairs = [similarity(a, b) for a, b in combinations(texts, 2)]
    found = mean_similarity(texts)
    assert (found is None) == (len(texts) < 2)
    if found is not None:
        assert found == pytest.approx(fmean(pairs)) and 0 <= found <= 1
        shuffled = rng.sample(texts, len(texts))
        assert mean_similarity(shuffled) == pytest.approx(found)


@given(TEXTS)
def test_each_text_is_compared_with_all_others(texts: list[str]) -> None:
    found = similarities(texts)
    for i, text in enumerate(texts):
        others = [similarity(text, other) for j, other in enumerate(texts) if j != i]
        assert found[i] == pytest.approx(fmean(others) if others else 0)


@given(WORDS | st.text(), WORDS | st.text())
def test_similarity_is_symmetric_and_whole_for_equal_texts(one: str, other: str) -> None:
    assert similarity(one, one) == 1
    assert similarity(one, other) == similarity(other, one)


@given(TEXTS)
def test_white_space_makes_no_other_text(texts: list[str]) -> None:
    spaced = [f"\t{text}\n".replace(" ", "  ") for text in texts]
    assert distinct(texts) == distinct(texts + spaced) <= len(texts)
    assert mean_similarity(spaced) == mean_similarity(texts)


def test_similarity_by_hand() -> None:
    # Grams abc, bcd against abc, bce: one of three is shared.
    assert similarity("a b c d", "a b c e") == pytest.approx(1 / 3)
    assert similarity("learning_rate: 1", "learning_rate: 2") == 0
    assert mean_similarity(["a b c d", "a b c e", "a b c d"]) == pytest.approx((1 + 2 / 3) / 3)
    assert similarity("", " ") == 1 and similarity("", "a") == 0


def test_distinct_by_hand() -> None:
    assert distinct([]) == 0
    assert distinct(["a b", "a\nb ", "ab", ""]) == 3
