"""Values cross as plain data or by handle, and no bytes do anything else."""

from __future__ import annotations

import struct
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gym_envs.imports.boxed.wire import BadMessage, Wire

keys = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    keys | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(keys)
    ),
    max_leaves=20,
)


def pair() -> tuple[Wire, Wire]:
    told = {"type": "x"}
    return Wire("a", lambda v: told, lambda n, t: object()), Wire(
        "b", lambda v: told, lambda n, t: object()
    )


@given(values)
@settings(max_examples=40)
def test_plain_data_arrive_as_they_were(value: object) -> None:
    one, other = pair()
    arrived = other.decode(one.encode(value))
    assert arrived == value and type(arrived) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "complex128"])
def test_arrays_and_their_numbers_keep_type_and_shape(dtype: str) -> None:
    one, other = pair()
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for value in (array, array[:0], array[0, 1], array.T, array.astype(array.dtype.newbyteorder())):
        arrived = other.decode(one.encode([value]))[0]
        assert np.array_equal(arrived, value) and np.shape(arrived) == np.shape(value)


def test_what_is_not_plain_comes_back_as_the_same_object() -> None:
    one, other = pair()
    thing, Point = object(), namedtuple("Point", "x y")
    there = other.decode(one.encode({"it": [thing, thing], "point": Point(1, 2)}))
    assert there["it"][0] is there["it"][1] is not thing and there["point"].y == 2
    assert one.decode(other.encode((there["it"][0], 7))) == (thing, 7)


def test_a_subclass_arrives_without_its_methods() -> None:
    class Lying(np.ndarray):
        def sum(self, *args: object, **kwargs: object) -> float:  # type: ignore[override]
            return 2e9

    class Large(float):
        def __lt__(self, other: object) -> bool:
            return False

    one, other = pair()
    array, number = other.decode(one.encode((np.ones(3).view(Lying), Large(1.0))))
    assert type(array) is np.ndarray and array.sum() == 3 and type(number) is float


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(header: bytes, rest: bytes) -> None:
    wire = pair()[0]
    for message in (header, struct.pack("<I", len(header)) + header + rest):
        try:
            wire.decode(message)
        except BadMessage:
            continue


@pytest.mark.parametrize(
    "header",
    [
        b'{"array": ["|O", [1]]}',
        b'{"array": ["<f8", [-1]]}',
        b'{"array": ["<f8", [1000000000000]]}',
        b'{"yours": "evaluator-1-0"}',
        b'{"yours": ["x"]}',
        b'{"bytes": 9}',
        b'{"dict": [[[], 1]]}',
        b'{"named": ["x", ["import os"], [1]]}',
        b'{"import": "os"}',
        b"[" * 5000 + b"]" * 5000,
        b'{"list": [' * 500 + b"1" + b"]}" * 500,
        b"1" * 5000,
    ],
)
def test_hostile_headers_are_refused(header: bytes) -> None:
    with pytest.raises(BadMessage):
        pair()[0].decode(struct.pack("<I", len(header)) + header)
