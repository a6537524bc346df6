"""The pipe between examiner and candidate: framed arrays, nothing else.

A copy of this file lies beside every candidate; the problem's `serve.py` uses it like this:

    from exam_pipe import answer, questions
    for question in questions():              # until the examiner hangs up
        answer(model.predict(question))       # exactly one array per question

A frame is `XAM1`, one byte dtype, one byte number of dimensions, the dimensions as little-endian
uint32, then the values, C order, little endian. Nothing is pickled and no code crosses. Questions
come on the standard input; answers leave on the descriptor that `EXAM_ANSWERS` names, so that a
print() cannot break the protocol.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

MAGIC = b"XAM1"
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")
MAX_DIMENSIONS = 8


class BrokenFrame(ValueError):
    """Bytes that are not a frame, or not an acceptable one."""


def write_array(stream: BinaryIO, array: np.ndarray) -> None:
    """Writes one frame; raises TypeError for an array that may not cross."""
    if array.dtype.name not in DTYPES:
        raise TypeError(f"an array of dtype {array.dtype} cannot be sent; use one of {DTYPES}")
    if array.ndim > MAX_DIMENSIONS:
        raise TypeError(f"an array of {array.ndim} dimensions cannot be sent")
    header = struct.pack(
        f"<4sBB{array.ndim}I", MAGIC, DTYPES.index(array.dtype.name), array.ndim, *array.shape
    )
    stream.write(header)
    stream.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    stream.flush()


def read_array(stream: BinaryIO, max_bytes: int) -> np.ndarray | None:
    """Reads one frame; None at the end of the stream. Raises BrokenFrame."""
    start = stream.read(6)
    if not start:
        return None
    if len(start) < 6 or start[:4] != MAGIC:
        raise BrokenFrame("a reply does not begin like a frame")
    dtype_code, ndim = start[4], start[5]
    if dtype_code >= len(DTYPES) or ndim > MAX_DIMENSIONS:
        raise BrokenFrame(f"a frame claims dtype {dtype_code} and {ndim} dimensions")
    shape = struct.unpack(f"<{ndim}I", _read_exactly(stream, 4 * ndim))
    dtype = np.dtype(DTYPES[dtype_code]).newbyteorder("<")
    size = math.prod(shape) * dtype.itemsize
    if size > max_bytes:
        raise BrokenFrame(f"{dtype.name}{list(shape)} takes {size} bytes, allowed are {max_bytes}")
    data = _read_exactly(stream, size)
    if dtype.name == "bool" and data.translate(None, b"\0\1"):
        raise BrokenFrame("a frame holds a bool that is neither 0 nor 1")
    try:
        # A bytearray makes the array writable.
        return np.frombuffer(bytearray(data), dtype).reshape(shape)
    except ValueError:
        raise BrokenFrame(f"a frame claims the impossible shape {list(shape)}") from None


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BrokenFrame(f"a frame ended after {len(data)} of {size} bytes")
    return data


_answers: BinaryIO | None = None


def questions() -> Iterator[np.ndarray]:
    """The examiner's questions, one array at a time, until it hangs up."""
    global _answers
    _answers = os.fdopen(int(os.environ["EXAM_ANSWERS"]), "wb")
    with os.fdopen(os.dup(0), "rb") as stream:
        while (question := read_array(stream, max_bytes=2**32)) is not None:
            yield question


def answer(array: np.ndarray) -> None:
    """Answers the last question with one array."""
    assert _answers is not None, "answer() is called inside a loop over questions()"
    write_array(_answers, np.asarray(array))
