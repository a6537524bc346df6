"""The pipe between examiner and candidate: framed arrays, nothing else.

A copy of this file lies beside every candidate; the problem's `serve.py` uses it like this:

    from exam_pipe import answer, questions
    for question in questions():              # until the examiner hangs up
        answer(model.predict(question))       # exactly one array per question

A frame is `XAM1`, one byte dtype, one byte number of dimensions, the dimensions as little-endian
uint32, then the values, C order, little endian; `XAM2` says that the values lie at the start of
shared memory instead, which is faster for large answers. Nothing is pickled and no code crosses.
The candidate writes `XAM1` alone when it is ready. Questions come on the standard input; answers
leave on the descriptor that `EXAM_ANSWERS` names, so that a print() cannot break the protocol; the
shared memory is `EXAM_SHARED`.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

MAGIC, MAGIC_SHARED = b"XAM1", b"XAM2"
# Below this many bytes a pipe is as fast.
SHARED_FROM = 2**20
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool", "float16")
MAX_DIMENSIONS = 8


class BrokenFrame(ValueError):
    """Bytes that are not a frame, or not an acceptable one."""


def write_array(stream: BinaryIO, array: np.ndarray, shared: int | None = None) -> None:
    """Writes one frame, a large one's values into the descriptor `shared`.

    Raises TypeError for an array that may not cross.
    """
    if array.dtype.name not in DTYPES:
        raise TypeError(f"an array of dtype {array.dtype} cannot be sent; use one of {DTYPES}")
    if array.ndim > MAX_DIMENSIONS:
        raise TypeError(f"an array of {array.ndim} dimensions cannot be sent")
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    in_memory = shared is not None and values.nbytes >= SHARED_FROM
    magic = MAGIC_SHARED if in_memory else MAGIC
    code = DTYPES.index(array.dtype.name)
    stream.write(struct.pack(f"<4sBB{array.ndim}I", magic, code, array.ndim, *array.shape))
    if shared is not None and in_memory:
        os.pwrite(shared, values.data.cast("B"), 0)
    else:
        stream.write(values.tobytes())
    stream.flush()


def read_array(
    stream: BinaryIO, max_bytes: int, shared: int | None = None, out: np.ndarray | None = None
) -> np.ndarray | None:
    """Reads one frame; None at the end of the stream. Raises BrokenFrame.

    Its values go to memory of their own, or to that of `out` where they have as many bytes.
    """
    start = stream.read(6)
    if not start:
        return None
    in_memory = shared is not None and start[:4] == MAGIC_SHARED
    if len(start) < 6 or not (in_memory or start[:4] == MAGIC):
        raise BrokenFrame("a reply does not begin like a frame")
    dtype_code, ndim = start[4], start[5]
    if dtype_code >= len(DTYPES) or ndim > MAX_DIMENSIONS:
        raise BrokenFrame(f"a frame claims dtype {dtype_code} and {ndim} dimensions")
    shape = struct.unpack(f"<{ndim}I", _read_exactly(stream, 4 * ndim))
    dtype = np.dtype(DTYPES[dtype_code]).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise BrokenFrame(f"{dtype.name}{list(shape)} takes {size} bytes, allowed are {max_bytes}")
    data = out.data.cast("B") if out is not None and out.nbytes == size else bytearray(size)
    if shared is not None and in_memory:
        _all_of(os.preadv(shared, [data], 0), size)
    elif size:
        _all_of(stream.readinto(data), size)  # type: ignore[attr-defined]
    if dtype.name == "bool" and bytes(data).translate(None, b"\0\1"):
        raise BrokenFrame("a frame holds a bool that is neither 0 nor 1")
    try:
        return np.frombuffer(data, dtype).reshape(shape)
    except ValueError:
        raise BrokenFrame(f"a frame claims the impossible shape {list(shape)}") from None


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    _all_of(len(data), size)
    return data


def _all_of(read: int, size: int) -> None:
    if read < size:
        raise BrokenFrame(f"a frame ended after {read} of {size} bytes")


_answers: BinaryIO | None = None


def questions() -> Iterator[np.ndarray]:
    """The examiner's questions, one array at a time, until it hangs up."""
    global _answers
    _answers = os.fdopen(int(os.environ["EXAM_ANSWERS"]), "wb")
    _answers.write(MAGIC)
    _answers.flush()
    with os.fdopen(os.dup(0), "rb") as stream:
        while (question := read_array(stream, max_bytes=2**32)) is not None:
            yield question


def answer(array: np.ndarray) -> None:
    """Answers the last question with one array."""
    assert _answers is not None, "answer() is called inside a loop over questions()"
    write_array(_answers, np.asarray(array), int(os.environ["EXAM_SHARED"]))
