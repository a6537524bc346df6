"""A store in a local folder: `Folder("store")`. Locks are the kernel's and end with the process."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from executor.errors import StoreError
from executor.store.storage import HOW_TO_GO_ON, Lock


class Folder:
    """A local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self.url = str(self.root)
        self._appending = threading.Lock()

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

    def own_log(self, path: str) -> bytes:
        return self.read(path) or b""

    def append(self, path: str, line: bytes) -> None:
        target = self.root / path
        # What a full disk takes a part of is cut off again: nobody may have gone on behind it.
        with self._appending, self._doing("written"):
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

    def remove(self, path: str) -> None:
        with self._doing("written"), suppress(FileNotFoundError, NotADirectoryError):
            (self.root / path).unlink()

    def remove_folder(self, path: str) -> None:
        with self._doing("written"), suppress(FileNotFoundError):
            shutil.rmtree(self.root / path)

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
