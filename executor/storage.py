"""Where bytes are kept: a local folder, or any other fsspec URL (`s3://bucket/prefix`).

    storage = open_storage("store")
    storage.write("runs/a/recipe.yaml", b"...")      # whole or not at all
    storage.read("runs/a/missing")                   # None

A file is never seen half-written. Nothing is synced to disk one by one: after a power cut the last
files may be empty, which readers treat as absent.
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


class Storage(Protocol):
    """Paths are relative, with forward slashes."""

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
        """The names in a folder, sorted; empty when there is none."""

    def try_lock(self, path: str) -> Lock | None:
        """A lock that ends with the process; None when another process holds it."""


class Lock:
    """Held until `release()`."""

    def release(self) -> None:
        pass


class Folder:
    """A local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, data: bytes) -> None:
        target = self.root / path
        temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
        with self._writing():
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
        with self._writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab") as file:
                file.write(line)

    def flush(self) -> None:
        pass

    def list(self, path: str) -> list[str]:
        try:
            return sorted(n for n in os.listdir(self.root / path) if not n.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def try_lock(self, path: str) -> Lock | None:
        target = self.root / path
        with self._writing():
            target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with self._writing():
                descriptor = os.open(target, os.O_RDWR | os.O_CREAT, 0o666)
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
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"the store {self.root} cannot be written: {error.strerror}") from None


class _FileLock(Lock):
    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Bucket:
    """Any fsspec file system whose puts are atomic, as object stores' are; it has no locks."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url.rstrip("/")
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise StoreError(f"the store {url} cannot be opened: {error}") from None
        self._logs: dict[str, bytes] = {}

    def read(self, path: str) -> bytes | None:
        try:
            return self._files.cat_file(f"{self._root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, data: bytes) -> None:
        try:
            self._files.pipe_file(f"{self._root}/{path}", data)
        except Exception as error:  # every file system brings its own
            raise StoreError(f"the store {self.url} cannot be written: {error}") from None

    def append(self, path: str, line: bytes) -> None:
        # Objects cannot grow: the log is kept here and put whole at each flush.
        if path not in self._logs:
            self._logs[path] = self.read(path) or b""
        self._logs[path] += line

    def flush(self) -> None:
        for path, data in self._logs.items():
            self.write(path, data)

    def list(self, path: str) -> list[str]:
        self._files.invalidate_cache()
        try:
            names = self._files.ls(f"{self._root}/{path}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in names)

    def try_lock(self, path: str) -> Lock | None:
        return Lock()


def open_storage(url: str | Path) -> Storage:
    """Opens a store and checks that it can be written. Raises StoreError."""
    text = str(url)
    storage: Storage
    if "://" in text and not text.startswith("file://"):
        storage = Bucket(text)
    else:
        storage = Folder(text.removeprefix("file://"))
        with suppress(OSError):
            storage.root.mkdir(parents=True, exist_ok=True)
        if not os.access(storage.root, os.W_OK | os.X_OK):
            raise StoreError(
                f"the store {storage.root} cannot be written; choose another with --store"
            )
        # Root passes every access check: only a real write tells of a read-only file system.
        probe = f".probe-{uuid.uuid4().hex}"
        storage.write(probe, b"")
        (storage.root / probe).unlink()
    return storage
