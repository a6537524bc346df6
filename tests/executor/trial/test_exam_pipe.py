"""The pipe: what is sent arrives, and no bytes of a candidate can do more than break a frame."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from executor.trial.exam_pipe import (
    DTYPES,
    MAGIC,
    MAX_DIMENSIONS,
    BrokenFrame,
    read_array,
    write_array,
)

MEGABYTE = 2**20
shapes = hnp.array_shapes(min_dims=0, max_dims=MAX_DIMENSIONS, min_side=0, max_side=4)
orders = st.sampled_from(["<", ">", "="])
dtypes = st.builds(
    lambda name, order: np.dtype(name).newbyteorder(order), st.sampled_from(DTYPES), orders
)
arrays = hnp.arrays(dtypes, shapes)
EXAM_PIPE = Path(__file__).parents[3] / "executor" / "trial" / "exam_pipe.py"


def frame(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    write_array(stream, array)
    return stream.getvalue()


def header(dtype: int, *shape: int) -> bytes:
    return struct.pack(f"<4sBB{len(shape)}I", MAGIC, dtype, len(shape), *shape)


@given(arrays)
def test_an_array_arrives_as_it_was_sent(array: np.ndarray) -> None:
    received = read_array(io.BytesIO(frame(array)), MEGABYTE)
    assert received is not None
    assert (received.shape, received.dtype.name) == (array.shape, array.dtype.name)
    np.testing.assert_array_equal(received, array)


@given(arrays)
def test_a_view_in_any_order_arrives_as_it_reads(array: np.ndarray) -> None:
    for view in (array.T, array[::-1] if array.ndim else array, np.asfortranarray(array)):
        np.testing.assert_array_equal(read_array(io.BytesIO(frame(view)), MEGABYTE), view)


def test_values_land_where_the_reader_wants_them_if_they_fit(tmp_path: Path) -> None:
    sent = np.arange(2**19, dtype=np.float32).reshape(2, -1)
    with (tmp_path / "shared").open("w+b") as shared:
        for descriptor in (None, shared.fileno()):
            stream, out = io.BytesIO(), np.zeros_like(sent)
            write_array(stream, sent, descriptor)
            stream.seek(0)
            received = read_array(stream, sent.nbytes, descriptor, out)
            assert received is not None and np.shares_memory(received, out)
            np.testing.assert_array_equal(out, sent)
    other = np.zeros(3, np.float32)
    np.testing.assert_array_equal(
        read_array(io.BytesIO(frame(sent)), sent.nbytes, None, other), sent
    )
    assert not other.any()


@given(st.lists(arrays, max_size=4))
def test_frames_follow_one_another_until_the_end(sent: list[np.ndarray]) -> None:
    stream = io.BytesIO(b"".join(map(frame, sent)))
    for array in sent:
        np.testing.assert_array_equal(read_array(stream, MEGABYTE), array)
    assert read_array(stream, MEGABYTE) is None


@given(arrays, st.data())
def test_a_frame_cut_short_is_broken_wherever_it_is_cut(array: np.ndarray, data) -> None:
    whole = frame(array)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(BrokenFrame):
        read_array(io.BytesIO(whole[:cut]), MEGABYTE)


garbage = st.one_of(
    st.binary(max_size=64),
    st.binary(max_size=64).map(MAGIC.__add__),
    st.builds(
        lambda dtype, shape, rest: header(dtype, *shape) + rest,
        st.integers(0, 255),
        st.lists(st.integers(0, 3) | st.integers(0, 2**32 - 1), max_size=12),
        st.binary(max_size=64),
    ),
)


@given(garbage)
def test_garbage_is_a_broken_frame_or_a_small_array(data: bytes) -> None:
    try:
        array = read_array(io.BytesIO(data), max_bytes=64)
    except BrokenFrame as error:
        assert str(error)
    else:
        assert array is None or array.nbytes <= 64


@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 8, (2**32 - 1,), (0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**16, 2**16)]
)
def test_a_claimed_size_is_not_allocated(shape: tuple[int, ...]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BrokenFrame):
            read_array(io.BytesIO(header(1, *shape)), max_bytes=MEGABYTE)
        assert tracemalloc.get_traced_memory()[1] < 2 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_an_array_of_just_the_allowed_size_is_read_and_one_byte_more_is_not() -> None:
    data = frame(np.zeros(100, "uint8"))
    assert read_array(io.BytesIO(data), max_bytes=100) is not None
    with pytest.raises(BrokenFrame, match="100 bytes, allowed are 99"):
        read_array(io.BytesIO(data), max_bytes=99)


@pytest.mark.parametrize("value", [2, 7, 255])
def test_a_bool_is_zero_or_one(value: int) -> None:
    with pytest.raises(BrokenFrame):
        read_array(io.BytesIO(header(DTYPES.index("bool"), 1) + bytes([value])), MEGABYTE)


@pytest.mark.parametrize(
    "array",
    [
        *(np.array([1j]), np.array(["a"]), np.array([None]), np.array([b"a"])),
        *(
            np.zeros(2, "longdouble"),
            np.zeros(2, "int8"),
            np.zeros(2, "M8[s]"),
            np.zeros(1, "i4,i4"),
        ),
        np.zeros((1,) * (MAX_DIMENSIONS + 1)),
    ],
)
def test_an_array_that_may_not_cross_is_refused_before_anything_is_sent(array: np.ndarray) -> None:
    stream = io.BytesIO()
    with pytest.raises(TypeError):
        write_array(stream, array)
    assert stream.getvalue() == b""


def test_questions_and_answers_pass_whatever_the_candidate_prints(tmp_path: Path) -> None:
    (tmp_path / "exam_pipe.py").write_bytes(EXAM_PIPE.read_bytes())
    (tmp_path / "serve.py").write_text(
        "import os\nfrom exam_pipe import answer, questions\nprint('before')\n"
        "for question in questions():\n    print('XAM1')\n    os.system('echo from a child')\n"
        "    question += 1\n    answer(question.sum(keepdims=True))\n"
    )
    reader, writer = os.pipe()
    shared = os.memfd_create("exam")
    process = subprocess.Popen(
        [sys.executable, "-c", "import serve"],
        cwd=tmp_path,
        env={**os.environ, "EXAM_ANSWERS": str(writer), "EXAM_SHARED": str(shared)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[writer, shared],
    )
    os.close(writer)
    printed, _ = process.communicate(frame(np.arange(3)) + frame(np.ones((2, 2), "float32")), 60)
    os.close(shared)
    with os.fdopen(reader, "rb") as answers:
        assert answers.read(4) == b"XAM1", "ready"
        np.testing.assert_array_equal(read_array(answers, MEGABYTE), np.array([6]))
        np.testing.assert_array_equal(read_array(answers, MEGABYTE), np.array([[8]], "float32"))
        assert read_array(answers, MEGABYTE) is None
    assert process.returncode == 0
    assert sorted(printed.split(b"\n")) == sorted(
        [b"", b"before", b"XAM1", b"XAM1", b"from a child", b"from a child"]
    )
