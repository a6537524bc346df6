"""Where bytes are kept: a local folder, or any other fsspec URL (`s3://bucket/prefix`).

    storage = open_storage("store")
    storage.write("runs/a/recipe.yaml", b"...")      # whole or not at all
    storage.read("runs/a/missing")                   # None

A file is never seen half-written. Nothing is synced to disk one by one: after a power cut the last
files may be empty, which readers treat as absent. What fails raises StoreError, a line that says
what failed and how to go on.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from executor.errors import StoreError

HOW_TO_GO_ON = "what is finished is kept, and the same command goes on from there"


class Storage(Protocol):
    """Paths are relative, with forward slashes. Every method raises StoreError."""

    url: str

    def read(self, path: str) -> bytes | None:
        """The whole file; None when there is none."""

    def write(self, path: str, data: bytes) -> None:
        """Puts a whole file in place at once."""

    def append(self, path: str, line: bytes) -> None:
        """Adds a line to a log that only this process writes."""

    def flush(self) -> None:
        """Makes appended lines durable."""

    def list(self, path: str) -> list[str]:
        """The names in a folder, sorted, hidden ones left out; empty when there is none."""

    def try_lock(self, path: str) -> Lock | None:
        """A lock that ends with the process; None when another process holds it."""


class Lock:
    """Held until `release()`."""

    def release(self) -> None:
        """Never raises: what cannot be released ends by itself."""


class Folder:
    """A local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def read(self, path: str) -> bytes | None:
        with self._doing("read"):
            try:
                return (self.root / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, path: str, data: bytes) -> None:
        target = self.root / path
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
        with self._doing("written"):
            try:
                try:
                    temporary.write_bytes(data)
                except FileNotFoundError:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary.write_bytes(data)
                temporary.replace(target)
            except OSError:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def append(self, path: str, line: bytes) -> None:
        target = self.root / path
        with self._doing("written"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab", buffering=0) as file:
                size = file.tell()
                try:
                    while line:
                        line = line[file.write(line) :]
                except OSError:
                    # A disk that fills takes a part; the next line must not be glued to it.
                    file.truncate(size)
                    raise

    def flush(self) -> None:
        pass

    def list(self, path: str) -> list[str]:
        with self._doing("read"):
            try:
                return sorted(n for n in os.listdir(self.root / path) if not n.startswith("."))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def try_lock(self, path: str) -> Lock | None:
        target = self.root / path
        with self._doing("written"):
            target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self._doing("written"):
                descriptor = os.open(target, os.O_RDWR | os.O_CREAT, 0o666)
            with self._doing("locked"):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                    return None
            # The last holder may have removed the file between our open and our lock.
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == target.stat().st_ino:
                    return _FileLock(descriptor, target)
            os.close(descriptor)

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be {what}: {error.strerror}; {HOW_TO_GO_ON}"
            ) from None


class _FileLock(Lock):
    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path

    def release(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def open_storage(url: str | Path) -> Storage:
    """Opens a store and checks that it can be written. Raises StoreError."""
    text = str(url)
    if "://" in text and not text.startswith("file://"):
        # fsspec takes its time to import.
        from executor.bucket import Bucket

        return Bucket(text)
    folder = Folder(text.removeprefix("file://"))
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        # Root passes every access check: only a real write tells of a read-only file system.
        probe = folder.root / f".probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"the store {folder.root} cannot be written: {error.strerror}; "
            "choose another with --store"
        ) from None
    return folder
