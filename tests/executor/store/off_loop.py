"""Storages that refuse to be called where an event loop runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from executor.store.bucket import Bucket
from executor.store.folder import Folder, _FileLock
from executor.store.lease import _Lease

METHODS = (
    "read",
    "write",
    "write_new",
    "own_log",
    "append",
    "flush",
    "list",
    "remove_folder",
    "try_lock",
)


class Calls:
    """How often each method was called, and which of them an event loop had to wait for."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.blocking: list[str] = []

    def watched(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.made[name] += 1
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass
            else:
                self.blocking.append(f"{name} {args[1:]}"[:200])
            return method(*args, **kwargs)

        return call


def watch_stores(patch: pytest.MonkeyPatch) -> Calls:
    """From now on every storage and lock of this process is watched."""
    calls = Calls()
    watched: list[tuple[type, str]] = [
        *((kind, name) for kind in (Folder, Bucket) for name in METHODS),
        *((kind, name) for kind in (_FileLock, _Lease) for name in ("release", "turn_into")),
    ]
    for kind, name in watched:
        patch.setattr(kind, name, calls.watched(name, getattr(kind, name)))
    return calls
