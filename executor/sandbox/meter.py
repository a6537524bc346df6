"""Measures the resources of a trial's process tree, and finds limits that the kernel cannot set.

    meter = Meter(folder, limits, group=group, mounted=True)
    meter.cpu_seconds(); meter.excess()        # "" or "over 512 MiB of memory"
    meter.peak_mib, meter.disk_mib

The kernel's control group counts exactly; without one, /proc is sampled at every call.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from executor.processes import processes
from executor.sandbox.box import Limits
from executor.sandbox.cgroup import ControlGroup
from executor.sandbox.workspace import used_mib

# Seconds between two counts of the files, and the seconds that one call may spend on counting.
_WALK_S, _LOOK_S = 0.5, 0.05
_FILES = 256
_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Measures the descendants of this process from now on, and the files below `folder`.

    `limits` is None where nothing is bounded; `mounted` says that `folder` is a file system of its
    own, which bounds itself.
    """

    def __init__(
        self, folder: Path, limits: Limits | None, group: ControlGroup | None, mounted: bool
    ) -> None:
        self._folder, self._limits, self._group, self._mounted = folder, limits, group, mounted
        self._cpu = None if group else _CpuAccount()
        self._walked, self._walk = 0.0, _sizes_mib(folder)
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
            self._sampled_mib = max(self._sampled_mib, _memory_mib(processes.descendants()))
        now = time.monotonic()
        if self._mounted:
            self._disk_mib = max(self._disk_mib, used_mib(self._folder))
        elif now > self._walked + _WALK_S:
            self._count_files(until=now + _LOOK_S)

    def _count_files(self, until: float) -> None:
        """Continues where the last call ended: very many files must not delay other checks."""
        for size_mib in self._walk:
            self._disk_mib = max(self._disk_mib, size_mib)
            if time.monotonic() > until:
                return
        self._walked, self._walk = time.monotonic(), _sizes_mib(self._folder)

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


def _memory_mib(pids: Sequence[int]) -> float:
    """What processes have mapped, and their files in memory without a name, mapped or not."""
    nameless: dict[int, int] = {}
    for pid in pids:
        with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with suppress(OSError):
                    if os.readlink(entry.path).startswith("/memfd:"):
                        state = entry.stat()
                        nameless[state.st_ino] = state.st_blocks * 512
    return sum(map(_resident_mib, pids)) + sum(nameless.values()) / 2**20


def _resident_mib(pid: int) -> float:
    """What a process has mapped, and the kernel's tables of it."""
    with suppress(OSError), open(f"/proc/{pid}/status") as file:
        lines = (line.split() for line in file)
        return sum(int(words[1]) for words in lines if words[0] in ("VmRSS:", "VmPTE:")) / 1024
    return 0.0


def _sizes_mib(folder: Path) -> Iterator[float]:
    """What the files below a folder take on disk, added up: the sum after every few of them, and at
    last the whole. Those that vanish meanwhile do not count."""
    total, count, folders = 0, 0, [os.fspath(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                if (count := count + 1) % _FILES == 0:
                    yield total / 2**20
    yield total / 2**20


class _CpuAccount:
    """CPU seconds of all descendants from now on, the ended ones included."""

    def __init__(self) -> None:
        self._before = _reaped_cpu()
        self._seen: dict[tuple[int, str], float] = {}

    def read(self) -> float:
        total = _reaped_cpu() - self._before
        for pid in processes.descendants():
            if fields := processes.stat_fields(pid):
                own, waited_for = _seconds(fields[11:13]), _seconds(fields[13:15])
                self._seen[pid, fields[19]] = own
                total += own + waited_for
        # The kernel adds up no children of a process that ignores SIGCHLD: the last sample counts.
        return max(total, sum(self._seen.values()))


def _reaped_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A server of warm starts has waited for its forks; its own time is nobody's.
    servers = (processes.stat_fields(pid)[13:15] for pid in processes.spared())
    return usage.ru_utime + usage.ru_stime + sum(map(_seconds, servers))


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS
