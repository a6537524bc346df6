"""Where bytes are kept: a local folder, or any other fsspec URL (`s3://bucket/prefix`).

    storage = open_storage("store")                  # executor.store.open
    storage.write("runs/a/recipe.yaml", b"...")      # whole or not at all
    storage.read("runs/a/missing")                   # None

A file is never seen half-written. Nothing is synced to disk one by one: after a power cut the last
files may be empty, which readers treat as absent. What fails raises StoreError, a line that says
what failed and how to go on. Threads may share a storage; who calls one from async code does so in
a thread (`threads.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

HOW_TO_GO_ON = "what is finished is kept, and the same command goes on from there"


class Storage(Protocol):
    """Paths are relative, with forward slashes. Every method raises StoreError."""

    url: str

    def read(self, path: str) -> bytes | None:
        """The whole file; None when there is none."""

    def write(self, path: str, data: bytes, *, final: bool = False) -> None:
        """Puts a whole file in place at once; of a `final` one nobody else writes another text."""

    def write_new(self, path: str, data: bytes) -> bool:
        """The same, for a final file, unless there is one: False then, and where it may be."""

    def at_once(self, calls: Iterable[Callable[[], object]]) -> None:
        """Makes calls to this storage, one after the other or not, whichever is faster."""

    def own_log(self, path: str) -> bytes:
        """The text of a log that from here on only this process writes; empty without one."""

    def append(self, path: str, line: bytes) -> None:
        """Adds a line to a log that only this process writes."""

    def flush(self) -> None:
        """Makes appended lines durable."""

    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted, hidden ones left out; empty when there is none."""

    def remove(self, path: str) -> None:
        """Removes a file; nothing where there is none."""

    def remove_folder(self, path: str) -> None:
        """Removes a folder and all that is in it; nothing where there is none."""

    def try_lock(self, path: str) -> Lock | None:
        """A lock that ends with the process; None when another process holds it."""


class Lock:
    """Held until `release()`."""

    def release(self) -> None:
        """Never raises: what cannot be released ends by itself."""

    def turn_into(self, path: str, data: bytes) -> None:
        """Writes a final file, as the storage does; the lock may be released by that, and has to be
        released all the same. Raises StoreError."""
