"""A store in a local folder: `Folder("store")`. Locks are the kernel's and end with the process."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
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
        with self.doing("read"):
            try:
                with open(f"{self.url}/{path}", "rb", buffering=0) as file:
                    return file.readall()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, path: str, data: bytes, *, final: bool = False) -> None:
        target = f"{self.url}/{path}"
        folder, _, name = target.rpartition("/")
        temporary = f"{folder}/.{name}.{os.getpid()}-{threading.get_ident()}"
        with self.doing("written"):
            try:
                descriptor = _open(temporary, os.O_WRONLY | os.O_TRUNC)
                try:
                    _write_all(descriptor, data)
                finally:
                    os.close(descriptor)
                os.replace(temporary, target)
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary)
                raise

    def write_new(self, path: str, data: bytes) -> bool:
        if os.path.lexists(f"{self.url}/{path}"):
            return False
        self.write(path, data)
        return True

    def at_once(self, calls: Iterable[Callable[[], object]]) -> None:
        for call in calls:
            call()

    def own_log(self, path: str) -> bytes:
        return self.read(path) or b""

    def append(self, path: str, line: bytes) -> None:
        with self._appending, self.doing("written"):
            descriptor = _open(f"{self.url}/{path}", os.O_WRONLY | os.O_APPEND)
            try:
                size = os.fstat(descriptor).st_size
                try:
                    _write_all(descriptor, line)
                except OSError:
                    # A disk that fills takes a part; the next line must not be glued to it.
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)

    def flush(self) -> None:
        pass

    def list(self, path: str) -> list[str]:
        with self.doing("read"):
            try:
                return sorted(n for n in os.listdir(self.root / path) if not n.startswith("."))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def remove(self, path: str) -> None:
        with self.doing("written"), suppress(FileNotFoundError, NotADirectoryError):
            (self.root / path).unlink()

    def remove_folder(self, path: str) -> None:
        with self.doing("written"), suppress(FileNotFoundError):
            shutil.rmtree(self.root / path)

    def try_lock(self, path: str) -> Lock | None:
        target = f"{self.url}/{path}"
        while True:
            with self.doing("written"):
                descriptor = _open(target, os.O_RDWR)
            with self.doing("locked"):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                    return None
            # The last holder may have removed the file between our open and our lock.
            with suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == os.stat(target).st_ino:
                    return _FileLock(self, descriptor, target)
            os.close(descriptor)

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """What fails in here raises StoreError."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be {what}: {error.strerror}; {HOW_TO_GO_ON}"
            ) from None


class _FileLock(Lock):
    def __init__(self, folder: Folder, descriptor: int, path: str) -> None:
        self._folder, self._descriptor, self._path = folder, descriptor, path
        self._is_held = True

    def release(self) -> None:
        if not self._is_held:
            return
        self._is_held = False
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._descriptor)

    def turn_into(self, path: str, data: bytes) -> None:
        # The lock's own file is put in place: to make a file takes longer than all else here.
        with self._folder.doing("written"):
            os.ftruncate(self._descriptor, 0)
            _write_all(self._descriptor, data)
            os.replace(self._path, f"{self._folder.url}/{path}")
        self._is_held = False
        os.close(self._descriptor)


def _open(path: str, how: int) -> int:
    """A descriptor of a file, which is made where it is missing, and its folder, too."""
    how |= os.O_CREAT
    try:
        return os.open(path, how, 0o666)
    except FileNotFoundError:
        os.makedirs(path.rpartition("/")[0], exist_ok=True)
        return os.open(path, how, 0o666)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
