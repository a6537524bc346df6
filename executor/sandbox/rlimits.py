"""The kernel's limits on single processes: set in a new child, inherited by all that it starts."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from executor.sandbox.box import Limits

_MIB = 2**20


def set_rlimits(limits: Limits, uid: int, *, grouped: bool) -> None:
    """Limits this process; `grouped` says that a control group bounds memory and processes."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, limits.open_files)
    _set(resource.RLIMIT_FSIZE, limits.disk_mib * _MIB)
    _set(resource.RLIMIT_CPU, limits.cpu_seconds)
    _set(resource.RLIMIT_MSGQUEUE, 0)
    _set(resource.RLIMIT_MEMLOCK, 64 * _MIB)
    if not grouped:
        _set(resource.RLIMIT_DATA, limits.memory_mib * _MIB)
        # The kernel counts every thread of the user, wherever it runs.
        _set(resource.RLIMIT_NPROC, limits.processes + _threads_of(uid))
    # Where memory runs out anyway, the kernel is to pick this process.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _set(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _threads_of(uid: int) -> int:
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count
