"""Between the stubs of an evaluator and the candidate: carries messages, and counts exceptions.

    with Relay(transcript.ask, "program.py") as relay:
        evaluate(relay.program_path)
    relay.exceptions, relay.failure

Nothing of an answer is looked at here but its first letter.
"""

from __future__ import annotations

import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BufferedRWPair
from pathlib import Path
from types import TracebackType
from typing import Self

from gym_envs.imports.boxed.wire import BadMessage
from gym_envs.imports.stub import stub_text


class Relay:
    """Listens on a socket for the stubs, in threads of their own.

    Attributes:
        program_path: the file of the stub.
        calls: how many messages crossed.
        exceptions: how many calls of the program ended in an exception.
        failure: the first thing that went wrong with the candidate itself, or None.
    """

    def __init__(self, ask: Callable[[bytes], bytes], name: str) -> None:
        self._ask = ask
        self._folder = tempfile.TemporaryDirectory(prefix="ideator-rl-program-")
        self._lock = threading.Lock()
        path = Path(self._folder.name) / "socket"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self.program_path = path.with_name(name)
        self.program_path.write_text(stub_text(str(path)))
        self.calls = self.exceptions = 0
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self._folder.cleanup()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                stub = self._server.accept()[0]
                threading.Thread(target=self._serve, args=(stub,), daemon=True).start()

    def _serve(self, stub: socket.socket) -> None:
        with suppress(OSError), stub, stub.makefile("rwb") as stream:
            while message := _read(stream):
                # A call with its callbacks is one conversation.
                with self._lock:
                    try:
                        self._converse(stream, message)
                    except BaseException as error:
                        self.failure = self.failure or error
                        return

    def _converse(self, stream: BufferedRWPair, message: bytes) -> None:
        if self.failure:
            raise self.failure
        while True:
            reply = self._ask(message)
            letter = reply[:1]
            if letter not in (b"R", b"E", b"M", b"A"):
                raise BadMessage("the candidate broke the protocol of its stub")
            self.calls += 1
            self.exceptions += letter == b"E"
            with suppress(OSError):
                stream.write(struct.pack("<Q", len(reply)) + reply)
                stream.flush()
            if letter != b"A":
                return
            if not (message := _read(stream)):
                raise BadMessage("the evaluator gave up a call that the program had not ended")


def _read(stream: BufferedRWPair) -> bytes:
    """The next message; empty at the end of the stream."""
    head = stream.read(8)
    return stream.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else b""
