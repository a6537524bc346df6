"""The program's side under `--examined`: does what the evaluator asks of the program.

Runs in the candidate's box, where the program is; `gym_envs/imports/stub.py` is the other side.
A message begins with one letter. The evaluator's: `L` load the program, `G` get an attribute, `C`
call, `R` the value that was asked for, `E` asking for it failed. The program's: `R` returned, `E`
raised, `M` there is no such attribute, `A` asks for the value of a function of the evaluator's.

An answer takes two questions of the pipe: its length, then its bytes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# The codebase is here, and this file in candidate/.
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "candidate")]
from exam_pipe import answer, questions  # noqa: E402
from wire import BadMessage, Wire  # noqa: E402


class OfTheEvaluator:
    """What stands for an object of the evaluator's: its plain fields, and a call if it is one."""

    def __init__(self, handle: str, about: dict | None) -> None:
        self._handle = handle
        self._renew(about or {})

    def _renew(self, about: dict) -> None:
        self._told = about
        self.__dict__.update(about.get("fields", {}))

    def __call__(self, *args: object, **kwargs: object) -> object:
        if not self._told.get("callable"):
            raise TypeError(f"{self!r} cannot be called from the program's box")
        return conversation.ask({"handle": self._handle, "args": args, "kwargs": kwargs})

    def __repr__(self) -> str:
        return f"<{self._told.get('type', 'object')} of the evaluator's>"


def stand_in(handle: str, about: object) -> OfTheEvaluator:
    """An object of a class of that name, since a program may look at it."""
    name = about.get("type", "object") if isinstance(about, dict) else "object"
    return type(str(name), (OfTheEvaluator,), {})(handle, about)


def described(value: object) -> dict:
    """What the evaluator is told of an object of the program's."""
    return {"type": type(value).__name__, "callable": callable(value)}


class Conversation:
    """Answers the evaluator's messages, and asks in between."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._wire = Wire("program", described, stand_in)
        self._questions: Iterator[np.ndarray] = questions()

    def serve(self) -> None:
        """Until the examiner hangs up."""
        for question in self._questions:
            self._tell(self._answered(question.tobytes()))

    def ask(self, call: dict) -> object:
        """The value of a call of the evaluator's function; what comes before it is answered."""
        self._tell(b"A" + self._wire.encode(call))
        for question in self._questions:
            message = question.tobytes()
            if message[:1] == b"R":
                return self._wire.decode(message[1:])
            if message[:1] == b"E":
                raise RuntimeError(str(self._wire.decode(message[1:])))
            self._tell(self._answered(message))
        raise SystemExit  # the examiner has hung up

    def _tell(self, message: bytes) -> None:
        answer(np.array([len(message)], np.int64))
        next(self._questions)
        answer(np.frombuffer(message, np.uint8))

    def _answered(self, message: bytes) -> bytes:
        try:
            if message[:1] == b"L":
                module = self._load()
                names = [name for name in vars(module) if not name.startswith("__")]
                return b"R" + self._wire.encode({"module": module, "names": names})
            request = self._wire.decode(message[1:])
            if message[:1] == b"G":
                if not hasattr(request["of"], request["name"]):
                    return b"M" + self._wire.encode(request["name"])
                return b"R" + self._wire.encode(getattr(request["of"], request["name"]))
            return b"R" + self._wire.encode(request["of"](*request["args"], **request["kwargs"]))
        except BadMessage:
            raise
        except Exception as error:
            return b"E" + self._wire.encode([type(error).__name__, str(error)[:1000]])

    def _load(self) -> object:
        spec = importlib.util.spec_from_file_location("program", self._program)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["program"] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module


if __name__ == "__main__":
    conversation = Conversation(Path(sys.argv[1]))
    conversation.serve()
