"""Which cores and GPUs of this machine slots get: first those that no other run of this user has.

    shares = Shares()
    shares.take("core", ["0", "1", "2"], 2)     # ["1", "2"] where another run has core 0
    shares.release()

What is taken has a socket's name in Linux's abstract namespace: only one process can have it, it is
no file, and it goes with its process. Where too few are free, the others are used together.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence


class Shares:
    """What a process has taken of this machine."""

    def __init__(self) -> None:
        self._names: list[socket.socket] = []

    def take(self, kind: str, names: Sequence[str], number: int) -> list[str]:
        """`number` of these, in their order."""
        free: list[str] = []
        used: list[str] = []
        for name in names:
            if len(free) < number:
                (free if self._is_free(kind, name) else used).append(name)
        chosen = {*free, *used[: number - len(free)]}
        return [name for name in names if name in chosen]

    def release(self) -> None:
        """Gives all of it back."""
        while self._names:
            self._names.pop().close()

    def _is_free(self, kind: str, name: str) -> bool:
        """Takes it, if nobody has it."""
        taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            taken.bind(f"\0ideator-rl/{os.getuid()}/{kind}/{name}"[:100])
        except OSError:  # also of a system without such names: then none is known to be free
            taken.close()
            return False
        self._names.append(taken)
        return True
