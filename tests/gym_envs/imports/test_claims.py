"""Numbers that a program returns beside its answer are changed; nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_envs.imports.boxed.wire import Wire
from gym_envs.imports.claims import NEAR, with_claims

UP = NEAR[0][1]


def changed(value: object) -> Any:
    here, there = (Wire(side, lambda _: {}, lambda handle, _: handle) for side in "ab")
    return there.decode(with_claims(b"R" + here.encode(value), UP)[1:])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((8, [1, 2]), (10, [1, 2])),
        (([1, 2], 0), ([1, 2], 1)),
        (([1, 2], 0.0), ([1, 2], 1.0)),
        ([8.0, [[0]]], [10.0, [[0]]]),
        ({"plan": ["a"], "cost": 4}, {"plan": ["a"], "cost": 5}),
        ((np.float64(8), [1]), (np.float64(10), [1])),
        ((b"12", np.arange(3), np.int64(8), "x"), (b"12", np.arange(3), np.int64(10), "x")),
        ((np.array([8.0]), (1, 2)), (np.array([10.0]), (1, 2))),
    ],
    ids=str,
)
def test_a_number_beside_something_larger_is_a_claim(value: object, expected: object) -> None:
    np.testing.assert_equal(changed(value), expected)


@pytest.mark.parametrize(
    "value", [3, 2.5, (1, 2.0), [1, 2], {"a": 1}, "x", None, np.arange(3)], ids=str
)
def test_numbers_alone_are_an_answer(value: object) -> None:
    np.testing.assert_equal(changed(value), value)


@given(st.binary(max_size=200))
def test_bytes_of_anybody_come_back_or_are_a_message(data: bytes) -> None:
    assert isinstance(with_claims(b"R" + data, UP), bytes)


@given(st.lists(st.one_of(st.binary(), st.just(np.arange(4.0)), st.text()), min_size=1))
def test_what_lies_beside_a_claim_stays(parts: list[object]) -> None:
    *rest, claim = changed((*parts, [], np.float32(4)))
    assert claim == 5
    np.testing.assert_equal(rest, [*parts, []])
