"""The evaluator's side under `--examined`: the names of a program that runs in another box.

An evaluator that imports the file at `program_path` gets `stub_text(socket)`, which comes here: its
names are those of the program, and what is called or looked up goes to the program through the
socket, on which `relay.py` listens. This works in processes of the evaluator's own, too.
"""

from __future__ import annotations

import builtins
import os
import socket
import struct
import threading
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from gym_envs.imports.boxed.wire import Wire

_TEXT = '''"""Stands for the program, which runs in a box of its own: every call goes there."""

import sys

if __name__ == "__main__":
    sys.exit("an examined program cannot be run as a script: import the problem without --examined")
from gym_envs.imports.stub import load

_program = load({socket!r})
globals().update(_program._names())


def __getattr__(name):
    return getattr(_program, name)
'''
_FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
_PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set)
_connections = threading.local()
_place: dict[str, str] = {}


def stub_text(socket_path: str) -> str:
    """The file that an evaluator meets in place of the program."""
    return _TEXT.format(socket=socket_path)


class ProgramObject:
    """An object of the program's. What it is asked for is asked of the program, in its box.

    A plain attribute is asked for once between two calls: it cannot change under the eyes of
    who looks twice.
    """

    def __init__(self, handle: str, about: object) -> None:
        self._about = about if isinstance(about, dict) else {}
        self._plain: dict[str, object] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self!r} has no attribute {name!r} that can be asked for")
        connection = _connection()
        if self._plain.get("", None) != connection.calls:
            self._plain = {"": connection.calls}
        if name not in self._plain:
            value = connection.ask(b"G", {"of": self, "name": name})
            if not isinstance(value, _PLAIN):
                return value
            self._plain[name] = value
        return self._plain[name]

    def __call__(self, *args: object, **kwargs: object) -> Any:
        connection = _connection()
        connection.calls += 1
        return connection.ask(b"C", {"of": self, "args": args, "kwargs": kwargs})

    def __repr__(self) -> str:
        return f"<{str(self._about.get('type', 'object'))[:80]!r} of the program's>"


class Module:
    """The program's module, loaded afresh."""

    def __init__(self, module: ProgramObject, names: object) -> None:
        self._module = module
        self._known = [str(name) for name in names] if isinstance(names, list) else []

    def _names(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self._known if not name.startswith("_")}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def load(socket_path: str) -> Module:
    """Has the program's box load the program, and returns its module."""
    if _place.get("socket") != socket_path:
        # Another evaluation, which knows no object of the last one.
        _wires.clear()
        _place["socket"] = socket_path
    loaded = _connection().ask(b"L", None)
    return Module(loaded["module"], loaded["names"])


class _Connection:
    """A connection to the relay, of one thread of one process."""

    def __init__(self, path: str) -> None:
        self.owner, self.path = os.getpid(), path
        self.calls = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._stream = self._socket.makefile("rwb")

    def ask(self, letter: bytes, request: object) -> Any:
        """What the program answers. Raises what it raises, or AttributeError."""
        message = letter + _wire().encode(request)
        while True:
            try:
                reply = self._exchange(message)
            except BaseException:
                # An alarm of the evaluator's, or the relay's end: the answer would be of no use.
                self._socket.close()
                _connections.open = None
                raise
            value = _wire().decode(reply[1:])
            if reply[:1] == b"R":
                return value
            if reply[:1] == b"M":
                raise AttributeError(f"the program has no attribute {str(value)[:100]!r}")
            if reply[:1] == b"E":
                raise _exception(value)
            message = self._called_back(value)

    def _exchange(self, message: bytes) -> bytes:
        self._stream.write(struct.pack("<Q", len(message)) + message)
        self._stream.flush()
        head = self._stream.read(8)
        if len(head) < 8:
            raise ConnectionError("the program's box has ended, or broke the protocol")
        return self._stream.read(struct.unpack("<Q", head)[0])

    def _called_back(self, request: Any) -> bytes:
        """The program calls a function that the evaluator has given to it."""
        try:
            function = _wire().ours(request["handle"])
            if not isinstance(function, _FUNCTIONS):
                raise TypeError("only functions can be called from the program's box")
            return b"R" + _wire().encode(function(*request["args"], **request["kwargs"]))
        except Exception as error:
            return b"E" + _wire().encode(f"{type(error).__name__}: {error}")


def _connection() -> _Connection:
    connection = getattr(_connections, "open", None)
    here = (os.getpid(), _place["socket"])
    if connection is None or (connection.owner, connection.path) != here:
        connection = _connections.open = _Connection(_place["socket"])
    return connection


_wires: dict[int, Wire] = {}


def _wire() -> Wire:
    """Handles are those of a process, whichever of its threads asks."""
    return _wires.setdefault(os.getpid(), Wire("evaluator", _described, ProgramObject))


def _described(value: object) -> dict:
    """What the program is told of an object of the evaluator's: its fields, but no method.

    A function crosses only where the evaluator gives it itself, and not as a field: who can reach a
    module through fields could call anything.
    """
    is_function = isinstance(value, _FUNCTIONS)
    names: set[str] = set()
    if not is_function and not isinstance(value, type | ModuleType):
        names |= {field.name for field in fields(value)} if is_dataclass(value) else set()
        names |= set(getattr(value, "__dict__", ()))
    public = {name: getattr(value, name) for name in sorted(names) if not name.startswith("_")}
    told = {name: field for name, field in public.items() if _is_data(field)}
    return {"type": type(value).__name__, "callable": is_function, "fields": told}


def _is_data(value: object) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_data, value))
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    return not callable(value) and not isinstance(value, ModuleType)


def _exception(value: object) -> Exception:
    """The program's exception as the built-in one of its name; its text is the program's."""
    name, text = value if isinstance(value, list) and len(value) == 2 else ("", "")
    kind = getattr(builtins, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        return kind(str(text))
    except TypeError:  # UnicodeDecodeError and its like want more arguments
        return RuntimeError(str(text))
