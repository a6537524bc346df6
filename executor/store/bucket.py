"""A store on an object store, through fsspec: `Bucket("s3://bucket/prefix")`.

A file is one object and one put, which object stores show whole or not at all. (On a remote file
system that shows part of a put, what was cut short reads as absent; a log loses its tail.)

An operation that fails is tried again for PATIENCE_S seconds, with pauses that double; one that
gives no answer within ATTEMPT_S seconds has failed. Refusals (no such bucket, no permission) are
final at once. A store that stays away is given up for REST_S seconds: whatever is asked meanwhile
fails at once, so that a run that cannot be kept ends soon.

A lock is a lease, see `lease.py`.

Not obstore, which takes a third of the time for a call: it knows neither file systems other than
its own nor AWS profiles, and behind fsspec its puts are never conditional.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import fsspec

from executor.errors import StoreError
from executor.store.lease import try_lease
from executor.store.recent import RecentFiles
from executor.store.storage import HOW_TO_GO_ON, Lock
from executor.store.threads import THREADS, in_threads

T = TypeVar("T")
_log = logging.getLogger(__name__)

ATTEMPT_S = 30.0
PATIENCE_S = 120.0
OPEN_PATIENCE_S = 10.0
REST_S = 30.0
_RECENT_BYTES = 8 * 2**20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_QUIET_ATTEMPTS = 3
_OPTIONS: dict[str, dict[str, Any]] = {
    # One request a read, where s3fs asks for the size first; a connection for every thread.
    "s3": {"max_concurrency": 1, "config_kwargs": {"max_pool_connections": THREADS}},
}
_MISSING = (FileNotFoundError, NotADirectoryError)
# Asked again, these would be the same.
_REFUSALS = (
    *_MISSING,
    FileExistsError,
    IsADirectoryError,
    PermissionError,
    NotImplementedError,
    ImportError,
    TypeError,
    ValueError,
)

# What was written once in this process is not tried again: a run opens its folders one by one.
_writable: set[str] = set()


class Bucket:
    """Any fsspec file system whose puts are atomic. Raises StoreError when it cannot be written."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._protocol = self.url.partition("://")[0]
            options = _OPTIONS.get(self._protocol, {})
            # A listing that is kept may be old: others write, too.
            self._files, self._root = fsspec.core.url_to_fs(
                self.url, use_listings_cache=False, **options
            )
        except (ImportError, ValueError) as error:
            raise StoreError(f"the store {url} cannot be opened: {_line(error)}") from None
        if getattr(self._files, "async_impl", False):
            self._files.loop.set_exception_handler(_note_echo)
        self._logs: dict[str, bytes] = {}
        self._recent = RecentFiles(_RECENT_BYTES)
        self._unsaved: set[str] = set()
        self._appending, self._flushing = threading.Lock(), threading.Lock()
        self._given_up, self._rests_until = "", 0.0
        self._patience_s = OPEN_PATIENCE_S
        self._advice = "check its address and your credentials, or choose another with --store"
        if not f"{self.url}/".startswith(tuple(_writable)):
            probe = f".probe-{uuid.uuid4().hex}"
            self.write(probe, b"")
            self.remove(probe)
            _writable.add(f"{self.url}/")
        self._patience_s, self._advice = PATIENCE_S, HOW_TO_GO_ON

    def read(self, path: str) -> bytes | None:
        if path in self._logs:
            return self._logs[path]
        if (recent := self._recent.get(path)) is not None:
            return recent
        try:
            return self._ask("read", self._files.cat_file, path, answers=_MISSING)
        except _MISSING:
            return None

    def write(self, path: str, data: bytes, *, final: bool = False) -> None:
        # Before: where the answer is lost, nobody knows which text is there.
        self._recent.forget(path)
        self._ask("written", self._files.pipe_file, path, data)
        if final:
            self._recent.keep(path, data)

    def write_new(self, path: str, data: bytes) -> bool:
        if not self._put_new(path, data):
            return False
        self._recent.keep(path, data)
        return True

    def at_once(self, calls: Iterable[Callable[[], object]]) -> None:
        in_threads(lambda call: call(), calls)

    def own_log(self, path: str) -> bytes:
        # Objects cannot grow: the log is kept here and put whole at each flush.
        with self._appending:
            if path not in self._logs:
                self._logs[path] = self.read(path) or b""
            return self._logs[path]

    def append(self, path: str, line: bytes) -> None:
        self.own_log(path)
        with self._appending:
            self._logs[path] += line
            self._unsaved.add(path)

    def flush(self) -> None:
        # An older text must not be put over a newer one.
        with self._flushing:
            for path in sorted(self._unsaved):
                with self._appending:
                    text = self._logs[path]
                    self._unsaved.discard(path)
                try:
                    self.write(path, text)
                except StoreError:
                    self._unsaved.add(path)
                    raise

    def list(self, path: str) -> list[str]:
        try:
            found = self._ask("read", self._listed, path, answers=_MISSING)
        except _MISSING:
            return []
        names = (name.rstrip("/").rpartition("/")[2] for name in found)
        return sorted(name for name in names if not name.startswith("."))

    def _listed(self, folder: str) -> Iterable[str]:
        parent, _, name = folder.rstrip("/").rpartition("/")
        if not parent or self._protocol != "s3":
            return self._files.ls(folder, detail=False)
        # One request, where `ls` asks for the parent, too, of what is empty or not there.
        return self._files.find(parent, maxdepth=1, withdirs=True, prefix=f"{name}/")

    def remove(self, path: str) -> None:
        self._recent.forget(path)
        with suppress(*_MISSING):
            self._ask("written", self._files.rm_file, path, answers=_MISSING)

    def remove_if(self, path: str, data: bytes, *, known: bool = False) -> None:
        """Removes a file that holds `data`; where that is `known`, without looking first."""

        def remove(file: str) -> None:
            nonlocal known
            if known or self._files.cat_file(file) == data:
                # Of an attempt whose answer is lost, the file may be another's by the next one.
                known = False
                self._files.rm_file(file)

        self._recent.forget(path)
        with suppress(*_MISSING):
            self._ask("written", remove, path, answers=_MISSING)

    def remove_folder(self, path: str) -> None:
        prefix = f"{self._root}/{path}/"
        self._recent.forget_folder(path)
        for name in list(self._logs):
            if f"{self._root}/{name}".startswith(prefix):
                del self._logs[name]
                self._unsaved.discard(name)
        with suppress(*_MISSING):
            remove = partial(self._files.rm, recursive=True)
            self._ask("written", remove, path, answers=_MISSING)

    def try_lock(self, path: str) -> Lock | None:
        return try_lease(self, path)

    def give_up(self, reason: str, seconds: float) -> StoreError:
        """Fails whatever is asked in the next seconds with the error that this returns."""
        self._given_up, self._rests_until = reason, time.monotonic() + seconds
        return StoreError(reason)

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file unless there is one with other content."""
        # Ours it is when only the answer to an earlier attempt was lost.
        return self._put_new(path, data) or self.read(path) == data

    def age(self, path: str) -> float:
        """Seconds since a file was written, by the store's own clock; 0 when it is gone."""
        probe = f"{path}.{uuid.uuid4().hex}"
        self.write(probe, b"")
        modified = partial(self._ask, "read", self._files.modified, answers=_MISSING)
        try:
            return (modified(probe) - modified(path)).total_seconds()
        except _MISSING:
            return 0.0
        finally:
            self.remove(probe)

    def _put_new(self, path: str, data: bytes) -> bool:
        exists = (FileExistsError,)
        try:
            create = partial(self._files.pipe_file, mode="create")
            self._ask("written", create, path, data, answers=exists)
        except exists:
            return False
        return True

    def _ask(
        self,
        what: str,
        operation: Callable[..., T],
        path: str,
        *data: bytes,
        answers: tuple[type[Exception], ...] = (),
        **options: Any,
    ) -> T:
        """Repeats an operation until it succeeds or patience ends; errors in `answers` pass."""
        if time.monotonic() < self._rests_until:
            raise StoreError(self._given_up)
        deadline = time.monotonic() + self._patience_s
        for attempt in itertools.count():
            try:
                return _within(ATTEMPT_S, operation, f"{self._root}/{path}", *data, **options)
            except answers:
                raise
            except Exception as error:  # every file system brings its own
                failed = f"the store {self.url} cannot be {what}: {_line(error)}"
                refused = isinstance(error, _REFUSALS)
            if refused:
                raise StoreError(f"{failed}; {self._advice}")
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
            if time.monotonic() + pause > deadline:
                raise self.give_up(f"{failed}; {self._advice}", REST_S)
            if attempt == _QUIET_ATTEMPTS:
                _log.warning("%s; trying again for %g s", failed, self._patience_s)
            time.sleep(pause * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable")


def _within(seconds: float, operation: Callable[..., T], *args: Any, **options: Any) -> T:
    """What an operation returns or raises; TimeoutError when it stalls, its thread left behind."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(operation(*args, **options))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="store", daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError:
        if done.done():
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _note_echo(_loop: object, context: dict[str, Any]) -> None:
    """A connection that breaks is an error of who asked; asyncio would print it a second time."""
    _log.debug("%s: %s", context.get("message"), context.get("exception"))


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
