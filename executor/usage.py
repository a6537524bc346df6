"""What a trial's process tree uses, and whether it passed a limit that only watching bounds.

    meter = Meter(folder, limits, group=group, mounted=True)
    meter.cpu_seconds(); meter.excess()        # "" or "over 512 MiB of memory"
    meter.peak_mib, meter.disk_mib

The kernel's control group counts exactly; without one, /proc is sampled at every call.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from executor import processes
from executor.sandbox.box import Limits
from executor.sandbox.cgroup import Group
from executor.sandbox.workspace import used_mib

_WALK_S = 0.5
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Meter:
    """Measures the descendants of this process from now on, and the files below `folder`.

    `limits` is None where nothing is bounded; `mounted` says that `folder` is a file system of its
    own, which bounds itself.
    """

    def __init__(
        self, folder: Path, limits: Limits | None, group: Group | None, mounted: bool
    ) -> None:
        self._folder, self._limits, self._group, self._mounted = folder, limits, group, mounted
        self._cpu = None if group else processes.CpuMeter()
        self._walked = 0.0
        self._sampled_mib = self._disk_mib = 0.0

    def cpu_seconds(self) -> float:
        return self._group.cpu_seconds() if self._group else self._cpu.read()  # type: ignore

    def excess(self) -> str:
        """Samples memory and disk; says which limit was passed, or nothing."""
        self._sample()
        if self._limits is None:
            return ""
        if self._group is None and self._sampled_mib > self._limits.memory_mib:
            return f"over {self._limits.memory_mib} MiB of memory"
        if not self._mounted and self._disk_mib > self._limits.disk_mib:
            return f"over {self._limits.disk_mib} MiB of files"
        return ""

    def _sample(self) -> None:
        if self._group is None:
            resident = sum(map(_resident_mib, processes.descendants()))
            self._sampled_mib = max(self._sampled_mib, resident)
        now = time.monotonic()
        if self._mounted:
            self._disk_mib = max(self._disk_mib, used_mib(self._folder))
        elif now > self._walked + _WALK_S:
            self._walked = now
            self._disk_mib = max(self._disk_mib, _size_mib(self._folder))

    def out_of_memory(self) -> bool:
        """Whether the kernel ended a process of the group for its memory."""
        return self._group is not None and self._group.ran_out_of_memory()

    @property
    def peak_mib(self) -> float:
        return self._group.peak_mib() if self._group else self._sampled_mib

    @property
    def disk_mib(self) -> float:
        self._sample()
        return self._disk_mib


def _resident_mib(pid: int) -> float:
    with suppress(OSError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE_MIB
    return 0.0


def _size_mib(folder: Path) -> float:
    """What the files below a folder take on disk; those that vanish meanwhile do not count."""
    total, folders = 0, [os.fspath(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return total / 2**20
