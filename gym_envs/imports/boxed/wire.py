"""Values as bytes: plain data by value, everything else by handle. Nothing is pickled.

    wire = Wire("evaluator", describe, stub)    # one side; the other has another name
    wire.decode(wire.encode([1, (2.0, "x")]))

Plain are None, booleans, numbers, texts, bytes, lists, tuples, sets, dictionaries and NumPy arrays
of numbers; a subclass of one becomes that one. Any other object stays where it is: what crosses is
a handle, which comes back as the very same object. `describe` says what is told of it.

A message is the length of a JSON header, the header, and the bytes of arrays and texts of bytes.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import struct
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_DEPTH = 64
MAX_BYTES = 2**30
# By their exact type, which is quick; the isinstance() below are for the rest.
_AS_THEY_ARE = (type(None), bool, int, float, str)
_ITERABLE: dict[type, str] = {list: "list", tuple: "tuple"}
# What reading bytes of anybody's may raise.
MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)
Stub = Callable[[str, dict], object]


class BadMessage(ValueError):
    """Bytes that are not a message."""


class Wire:
    """One side of a connection.

    Args:
        side: a text that no other side has.
        describe: of an object, what the other side is told: a dictionary of values.
        stub: makes what stands here for an object of the other side, of its handle and that.
    """

    def __init__(self, side: str, describe: Callable[[object], dict], stub: Stub) -> None:
        self._side, self._describe, self._stub = side, describe, stub
        self._numbers = itertools.count()
        self._ours: dict[str, object] = {}
        self._names: dict[int, str] = {}
        self._theirs: dict[str, Any] = {}
        self._their_names: dict[int, str] = {}

    def encode(self, value: object) -> bytes:
        """A value as a message."""
        buffers: list[bytes] = []
        header = json.dumps(self._pack(value, buffers, 0, set())).encode()
        return b"".join([struct.pack("<I", len(header)), header, *buffers])

    def decode(self, message: bytes) -> Any:
        """The value of a message. Raises BadMessage."""
        try:
            (length,) = struct.unpack_from("<I", message)
            header = json.loads(message[4 : 4 + length])
            buffer = memoryview(message)[4 + length :]
            value, rest = self._unpack(header, buffer, 0)
        except MALFORMED as error:
            raise BadMessage(f"not a message: {type(error).__name__}") from None
        if len(rest):
            raise BadMessage("not a message: bytes are left over")
        return value

    def handle(self, value: object) -> str | None:
        """The handle of an object of the other side."""
        return self._their_names.get(id(value))

    def ours(self, handle: object) -> Any:
        """The object of this side. Raises BadMessage."""
        if not isinstance(handle, str) or handle not in self._ours:
            raise BadMessage("not a handle")
        return self._ours[handle]

    def _pack(self, value: Any, buffers: list[bytes], depth: int, told: set[str]) -> object:
        if depth > MAX_DEPTH:
            raise ValueError("a value is nested too deeply to cross")

        def inside(part: object) -> object:
            return self._pack(part, buffers, depth + 1, told)

        if type(value) in _AS_THEY_ARE:
            return value
        if name := _ITERABLE.get(type(value)):
            return {name: [inside(part) for part in value]}
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
            data = np.asarray(value).view(np.ndarray)
            data = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
            buffers.append(data.tobytes())
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            return {kind: [data.dtype.str, list(np.shape(value))]}
        if isinstance(value, np.ndarray):
            return {"list": [inside(part) for part in value.tolist()]}
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, complex):
            return {"complex": [value.real, value.imag]}
        if isinstance(value, bytes | bytearray):
            buffers.append(bytes(value))
            return {"bytes": len(value)}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            named = [type(value).__name__, list(value._fields), [inside(part) for part in value]]
            return {"named": named}
        for kind, cls in (("list", list), ("tuple", tuple), ("set", set | frozenset)):
            if isinstance(value, cls):
                return {kind: [inside(part) for part in value]}
        if isinstance(value, dict):
            return {"dict": [[inside(key), inside(part)] for key, part in value.items()]}
        if (theirs := self.handle(value)) is not None:
            return {"yours": theirs}
        return self._pack_object(value, told, inside)

    def _pack_object(
        self, value: object, told: set[str], inside: Callable[[object], object]
    ) -> object:
        name = self._names.get(id(value))
        if name is None:
            name = f"{self._side}-{os.getpid()}-{next(self._numbers)}"
            self._ours[name], self._names[id(value)] = value, name
        if name in told:
            return {"mine": [name, None]}
        told.add(name)
        return {"mine": [name, inside(self._describe(value))]}

    def _unpack(self, packed: Any, buffer: memoryview, depth: int) -> tuple[Any, memoryview]:
        if depth > 2 * MAX_DEPTH:
            raise ValueError("nested too deeply")
        if packed is None or isinstance(packed, bool | int | float | str):
            return packed, buffer
        ((kind, content),) = packed.items()
        if kind in ("array", "scalar"):
            dtype, shape = np.dtype(content[0]), tuple(content[1])
            if dtype.kind not in "biufc" or any(type(n) is not int or n < 0 for n in shape):
                raise ValueError("not an array of numbers")
            size = dtype.itemsize * math.prod(shape)
            data = np.frombuffer(bytes(buffer[:size]), dtype).reshape(shape).copy()
            return (data if kind == "array" else data[()]), buffer[size:]
        if kind == "bytes":
            if type(content) is not int or not 0 <= content <= len(buffer):
                raise ValueError("not bytes")
            return bytes(buffer[:content]), buffer[content:]
        if kind == "complex":
            return complex(*content), buffer
        if kind == "yours":
            return self.ours(content), buffer
        if kind == "mine":
            return self._unpack_object(content, buffer, depth)
        parts = []
        for part in _parts(kind, content):
            value, buffer = self._unpack(part, buffer, depth + 1)
            parts.append(value)
        return _made(kind, content, parts), buffer

    def _unpack_object(
        self, content: Any, buffer: memoryview, depth: int
    ) -> tuple[Any, memoryview]:
        name, packed = content
        if not isinstance(name, str):
            raise ValueError("not a handle")
        about, buffer = self._unpack(packed, buffer, depth + 1)
        if name not in self._theirs:
            self._theirs[name] = stub = self._stub(name, about)
            self._their_names[id(stub)] = name
        elif about is not None and (renew := getattr(self._theirs[name], "_renew", None)):
            renew(about)
        return self._theirs[name], buffer


def _parts(kind: str, content: Any) -> list:
    if kind == "named":
        return content[2]
    if kind == "dict":
        return [part for pair in content for part in (pair[0], pair[1])]
    if kind not in ("list", "tuple", "set"):
        raise ValueError("an unknown kind of value")
    return content


def _made(kind: str, content: Any, parts: list) -> object:
    if kind == "dict":
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if kind == "named":
        return namedtuple(content[0], content[1])(*parts)
    return {"list": list, "tuple": tuple, "set": set}[kind](parts)
