"""Control groups: limits and accounts for a whole process tree, kept by the kernel (v1 and v2).

    group = create(owned_name("0"), memory_mib=1024, processes=256)  # None where none can be made
    os.fork() -> group.enter()
    group.cpu_seconds(), group.peak_mib(), group.ran_out_of_memory()
    group.remove()

Groups are named by `executor.processes.owned_names`: `remove_own()` removes what this process
could not remove at once, `remove_stale()` what a killed one left, wherever in the tree it ran.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from executor.processes.owned_names import PREFIX, has_no_owner, owned_name

ROOT = Path("/sys/fs/cgroup")
_MIB = 2**20
# How often, and after how long, a group that is still in use is tried again.
_TRIES, _PAUSE_S = 200, 0.005
_V1 = ("memory", "pids", "cpuacct")


@dataclass(frozen=True)
class ControlGroup:
    """One group: by controller its folder; with version 2 it is the same one three times."""

    version: int
    folders: Mapping[str, Path]

    def enter(self) -> None:
        """Moves the calling process, which has one thread, and what it starts into the group."""
        for path in self.entrances():
            _write(path, "0")

    def entrances(self) -> list[Path]:
        """Files: a process with one thread that writes 0 into them has entered."""
        # To move a thread the kernel need not wait for all processors, some milliseconds long.
        name = "tasks" if self.version == 1 else "cgroup.procs"
        return [folder / name for folder in set(self.folders.values())]

    def cpu_seconds(self) -> float:
        """User and system time of all that ever ran in the group."""
        folder = self.folders["cpuacct"]
        if self.version == 1:
            return int((folder / "cpuacct.usage").read_text()) / 1e9
        return _field(folder / "cpu.stat", "usage_usec") / 1e6

    def peak_mib(self) -> float:
        """The most memory that was in use at once, files in memory included."""
        folder = self.folders["memory"]
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        try:
            return int((folder / name).read_text()) / _MIB
        except FileNotFoundError:  # before Linux 5.19
            return int((folder / "memory.current").read_text()) / _MIB

    def ran_out_of_memory(self) -> bool:
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return _field(self.folders["memory"] / name, "oom_kill") > 0

    def remove(self) -> None:
        """Ends the remaining processes of the group and removes it."""
        for folder in set(self.folders.values()):
            _remove(folder)


def create(name: str, *, memory_mib: int, processes: int) -> ControlGroup | None:
    """A fresh group with these limits; None where this machine lets us make none.

    Args:
        name: from `owned_name`.
    """
    found = _parents()
    if found is None:
        return None
    version, parents = found
    folders = {controller: parent / name for controller, parent in parents.items()}
    group = ControlGroup(version, folders)
    limit = str(memory_mib * _MIB)
    try:
        for folder in set(folders.values()):
            folder.mkdir()
        if version == 1:
            _write(folders["memory"] / "memory.limit_in_bytes", limit)
            # Only where the kernel counts swap.
            with suppress(FileNotFoundError):
                _write(folders["memory"] / "memory.memsw.limit_in_bytes", limit)
        else:
            _write(folders["memory"] / "memory.max", limit)
            with suppress(FileNotFoundError):
                _write(folders["memory"] / "memory.swap.max", "0")
        _write(folders["pids"] / "pids.max", str(processes))
    except OSError:
        group.remove()
        return None
    return group


def remove_own() -> None:
    """Removes the groups of this process that were still in use when it was done with them."""
    found = _parents()
    for parent in set(found[1].values()) if found else ():
        for folder in parent.glob(owned_name("*")):
            _remove(folder)


def remove_stale() -> None:
    """Removes the groups of processes that are no more."""
    found = _parents()
    if found is None:
        return
    # Of the whole tree: a killed process may have run in another session than this one.
    for root in [ROOT] if found[0] == 2 else [ROOT / controller for controller in _V1]:
        for path, names, _ in os.walk(root):
            for name in [name for name in names if name.startswith(PREFIX)]:
                names.remove(name)
                if has_no_owner(name):
                    _remove(Path(path, name))


@cache
def _parents() -> tuple[int, Mapping[str, Path]] | None:
    """The cgroup version and, by controller, the folder where groups can be made."""
    own = _own_paths()
    if (ROOT / "cgroup.controllers").exists():
        parent = ROOT / own.get("", "/").lstrip("/")
        # Groups below one that holds processes get no controllers: ask higher up, too.
        for folder in (parent, *parent.parents):
            if _offers_controllers(folder):
                return 2, dict.fromkeys(_V1, folder)
            if folder == ROOT:
                break
        return None
    parents = {}
    for controller in _V1:
        places = (ROOT / controller / own.get(controller, "/").lstrip("/"), ROOT / controller)
        writable = [place for place in places if os.access(place, os.W_OK)]
        if not writable:
            return None
        parents[controller] = writable[0]
    return 1, parents


def _offers_controllers(folder: Path) -> bool:
    try:
        offered = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    return {"memory", "pids"} <= set(offered) and os.access(folder, os.W_OK)


def _own_paths() -> dict[str, str]:
    """This process's group, by v1 controller; under the empty name that of version 2."""
    paths = {}
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = path
    return paths


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):
        try:
            folder.rmdir()
            return
        except (FileNotFoundError, PermissionError):
            return
        except OSError:
            # Still in use: end what is in it and give it a moment.
            pids = _processes(folder)
            if 0 in pids:
                # Of a PID namespace that this process does not see: the group is not ours.
                return
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE_S)


def _processes(folder: Path) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
    return []


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _write(path: Path, text: str) -> None:
    # Unbuffered: the kernel's answer belongs to this very write.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
