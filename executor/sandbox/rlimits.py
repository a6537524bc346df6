"""The kernel's limits on single processes: inherited by all that a process starts."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from executor.sandbox.box import Limits

_MIB = 2**20


def rlimits(limits: Limits, uid: int, *, grouped: bool) -> list[tuple[int, int]]:
    """By their numbers, the limits of a process in a box of the user `uid`; `grouped` says that a
    control group bounds memory and processes."""
    found = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.disk_mib * _MIB),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 64 * _MIB),
    ]
    if not grouped:
        found.append((resource.RLIMIT_DATA, limits.memory_mib * _MIB))
        # The kernel counts every thread of the user, wherever it runs.
        found.append((resource.RLIMIT_NPROC, limits.processes + _threads_of(uid)))
    return found


def _threads_of(uid: int) -> int:
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
