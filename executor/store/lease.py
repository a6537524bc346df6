"""Locks on an object store: a lease is an object that only one process can create, and that its
holder renews.

    lease = try_lease(bucket, "runs/a/.lock")      # None while somebody else has it
    lease.release()

Whoever finds it unrenewed for LEASE_S seconds, by the store's own clock, or its process dead on
this machine, takes it. Leases are advice. A holder that was suspended for longer learns of its loss
at the next renewal, up to LEASE_S / 4 later, and stops; until then both write. On file systems
without an atomic create (fsspec's `mode="create"`; s3fs and gcsfs have it) two that begin in the
same moment may both hold it.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from executor.errors import StoreError
from executor.store.storage import Lock

LEASE_S = 60.0
# The leases of this process, by owner.
_held: set[bytes] = set()


class Leasable(Protocol):
    """What a store needs for leases; every method raises StoreError."""

    url: str

    def read(self, path: str) -> bytes | None: ...

    def write(self, path: str, data: bytes, *, final: bool = False) -> None: ...

    def remove_if(self, path: str, data: bytes, *, known: bool = False) -> None:
        """Removes a file that holds `data`; where that is `known`, without looking first."""

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file unless there is one with other content."""

    def age(self, path: str) -> float:
        """Seconds since a file was written, by the store's own clock; 0 when it is gone."""

    def give_up(self, reason: str, seconds: float) -> StoreError:
        """Fails whatever is asked in the next seconds with the error that this returns."""


def try_lease(files: Leasable, path: str) -> Lock | None:
    """Takes the lease at a path; None while somebody else has it."""
    owner = json.dumps({"id": uuid.uuid4().hex, **_this_process()}).encode()
    # Before anybody can read it: a lease of this process that is not among these was let go.
    _held.add(owner)
    lease = None
    try:
        lease = _take(files, path, owner)
    finally:
        if lease is None:
            _held.discard(owner)
    return lease


def _take(files: Leasable, path: str, owner: bytes) -> _Lease | None:
    begun = time.monotonic()
    if files.create(path, owner):
        return _Lease(files, path, owner, begun)
    holder = files.read(path)
    if holder is None or not (_is_dead(holder) or files.age(path) > LEASE_S):
        return None
    # Of two who get here at once, the slower may remove what the other has just created: that
    # one learns of it when it renews.
    files.remove_if(path, holder)
    begun = time.monotonic()
    return _Lease(files, path, owner, begun) if files.create(path, owner) else None


class _Lease(Lock):
    """Renewed by a thread, so that it ends with the process."""

    def __init__(self, files: Leasable, path: str, owner: bytes, begun: float) -> None:
        self._files, self._path, self._owner = files, path, owner
        self._released, self._renewing = threading.Event(), threading.Lock()
        self._renewed_at = begun
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def release(self) -> None:
        self._released.set()
        # A renewal that came after the removal would put the lease back, or over the next one.
        with self._renewing, suppress(StoreError):
            # Nobody takes what was renewed just now.
            is_fresh = time.monotonic() - self._renewed_at < LEASE_S / 4
            self._files.remove_if(self._path, self._owner, known=is_fresh)
        _held.discard(self._owner)

    def turn_into(self, path: str, data: bytes) -> None:
        self._files.write(path, data, final=True)

    def _renew(self) -> None:
        while not self._released.wait(LEASE_S / 4):
            with self._renewing, suppress(StoreError):
                if not self._released.is_set():
                    self._renew_once()

    def _renew_once(self) -> None:
        begun = time.monotonic()
        if self._files.read(self._path) == self._owner:
            self._files.write(self._path, self._owner)
            self._renewed_at = begun
        elif not self._released.is_set():
            reason = f"another process took over {self._files.url}/{self._path}"
            self._files.give_up(f"{reason}: this one stops", math.inf)


def _this_process() -> dict[str, Any]:
    """This process, on a machine that has been up since some boot, in a pid namespace."""
    machine = uuid.uuid4().hex
    with suppress(OSError):
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine += os.readlink("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "machine": machine, "pid": os.getpid()}


def _is_dead(owner: bytes) -> bool:
    """Whether a lease was held by a process of this machine that is there no more or let it go."""
    try:
        process = json.loads(owner)
        if process["machine"] != _this_process()["machine"]:
            return False
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return True
    except (ValueError, KeyError, TypeError, OSError):
        return False
    return process["pid"] == os.getpid() and owner not in _held
