"""Which cores and GPUs of this machine slots get: those that the fewest runs of this user have.

    shares = Shares()
    shares.take("core", ["0", "1", "2"], 2)     # ["1", "2"] where another run has core 0
    shares.release()

Each use is a socket's name in Linux's abstract namespace, which is no file and goes with its
process; `/proc/net/unix` lists them.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LISTED = Path("/proc/net/unix")
# Choosing takes a millisecond; one that takes longer is not waited for.
_PATIENCE_S = 1.0


class Shares:
    """What a process has taken of this machine."""

    def __init__(self) -> None:
        self._names: list[socket.socket] = []

    def take(self, kind: str, names: Sequence[str], number: int) -> list[str]:
        """`number` of these, in their order."""
        choosing = _choosing()
        try:
            used = _used(kind)
            chosen = sorted(names, key=lambda name: used[name])[:number]
            for name in chosen:
                if (use := _bound(f"{kind}/{name}/{uuid.uuid4().hex}")) is not None:
                    self._names.append(use)
        finally:
            if choosing is not None:
                choosing.close()
        return [name for name in names if name in chosen]

    def release(self) -> None:
        """Gives all of it back."""
        while self._names:
            self._names.pop().close()


def _prefix() -> str:
    return f"ideator-rl/{os.getuid()}/"


def _used(kind: str) -> Counter[str]:
    """How many runs have each."""
    start, listed = f"@{_prefix()}{kind}/", ""
    with suppress(OSError):
        listed = _LISTED.read_text()
    found = (line.rpartition(" ")[2] for line in listed.splitlines())
    return Counter(
        name[len(start) :].rpartition("/")[0] for name in found if name.startswith(start)
    )


def _choosing() -> socket.socket | None:
    """One process at a time: two that begin at once must see each other."""
    deadline = time.monotonic() + _PATIENCE_S
    while (turn := _bound("choosing")) is None and time.monotonic() < deadline:
        time.sleep(0.002)
    return turn


def _bound(name: str) -> socket.socket | None:
    """A socket of this name; None where another has it, or the system knows no such names."""
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        taken.bind(f"\0{_prefix()}{name}")
    except OSError:
        taken.close()
        return None
    return taken
