"""What trials of this process left on the host, as sets of lines: two snapshots are compared.

    with Workers() as workers:
        before = take_snapshot(traps, workers.pids)
        ...
        left_behind(before, take_snapshot(traps, workers.pids))     # [] if the host is as before

Others are at work on the machine at the same time, other tests among them. So what is looked at is
what bears the mark of the traps, belongs to the users of boxes or to this process's own workers,
or descends from this process: nobody else's doing gets in.
"""

from __future__ import annotations

import os
import pwd
import site
import socket
import sysconfig
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from executor.data.prepared import data_root
from executor.processes import processes
from executor.processes.owned_names import owned_name
from executor.sandbox import sandbox
from executor.sandbox.cgroup import ROOT
from gym_envs.cheats.traps import Traps

# A file that is planted to be run is a small one.
_PLANTED_BYTES = 2**16
# Clocks drift apart; one that was set jumps.
_DRIFT_S = 30


@dataclass(frozen=True)
class Snapshot:
    """`lines` by what is looked at; `clock_s` is the distance between the two clocks."""

    lines: Mapping[str, frozenset[str]]
    clock_s: float


def take_snapshot(traps: Traps, workers: Collection[int]) -> Snapshot:
    """The host as it is now. `workers` are the numbers of this process's slots, ended ones too."""
    mark = traps.mark
    folders = owned_name()
    found = {
        "processes": _strays(mark),
        "temporary files": _files(tempfile.gettempdir(), mark, folders),
        "shared memory": (*_files("/dev/shm", mark), *_files("/dev/mqueue", mark)),
        "files of the system": _system_files(mark),
        "prepared data": _stamps(data_root()),
        "mounts": _lines("/proc/self/mountinfo", mark, f"/{folders}"),
        "control groups": _groups(mark, workers),
        "System V": (line for name in ("shm", "sem", "msg") for line in _system_v(name, traps.key)),
        "keys": _lines("/proc/keys", mark),
        "sockets": _lines("/proc/net/unix", mark),
        "host name": (name for name in [socket.gethostname()] if mark in name),
    }
    lines = {name: frozenset(values) for name, values in found.items()}
    return Snapshot(lines, time.time() - time.monotonic())


def left_behind(before: Snapshot, after: Snapshot) -> list[str]:
    """What has come or changed, in words."""
    jump = after.clock_s - before.clock_s
    return [
        f"{name}: {line}"
        for name, lines in after.lines.items()
        for line in sorted(lines - before.lines[name])
    ] + ([f"clock: set by {jump:.0f} s"] if abs(jump) > _DRIFT_S else [])


class Workers(threading.Thread):
    """Notes the numbers of all slots that this process has while the block runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.pids: set[int] = set()
        self._over = threading.Event()

    def run(self) -> None:
        # A slot takes longer to import what it needs.
        while not self._over.wait(0.05):
            for pid in _children():
                with suppress(OSError):
                    if b"executor.workers.slot" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        self.pids.add(pid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.join()


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _strays(mark: str) -> Iterator[str]:
    """Processes with the mark wherever they are, and those of a box that have come to us.

    Orphans come to this process if it has adopted them, see `processes.adopt_orphans`.
    """
    own = set(processes.descendants())
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            inside = b"HOME=/ideator/work" in Path(f"/proc/{name}/environ").read_bytes()
            if mark.encode() in words or (inside and int(name) in own):
                yield f"{name}: {words!r}"


def _files(folder: str, *marks: str) -> Iterator[str]:
    """The entries of a folder with a mark in their name or text, and those of a box's user."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if any(mark in entry.name for mark in marks) or _is_planted(entry, marks[0]):
                    yield entry.path


def _is_planted(entry: os.DirEntry[str], mark: str) -> bool:
    state = entry.stat(follow_symlinks=False)
    if os.geteuid() == 0 and 0 <= state.st_uid - sandbox._FIRST_UID < sandbox._UIDS:
        return True
    small = entry.is_file(follow_symlinks=False) and state.st_size <= _PLANTED_BYTES
    return small and mark.encode() in Path(entry.path).read_bytes()


def _system_files(mark: str) -> Iterator[str]:
    """The top of every folder that Python or a shell reads by itself."""
    # Not what HOME says: the traps change it.
    folders = {"/", "/usr", "/etc", "/var/tmp", "/run", pwd.getpwuid(os.getuid()).pw_dir}
    folders |= {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    folders |= {site.getusersitepackages(), str(Path(__file__).parents[2])}
    for folder in folders:
        yield from _files(folder, mark)


def _stamps(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        state = path.stat()
        yield f"{path} {state.st_size} {state.st_mtime_ns} {state.st_mode:o} {state.st_uid}"


def _groups(mark: str, workers: Collection[int]) -> Iterator[str]:
    ours = (mark, *(owned_name(pid=worker) for worker in workers))
    for folder, folders, _ in os.walk(ROOT):
        yield from (f"{folder}/{name}" for name in folders if name.startswith(ours))


def _system_v(name: str, key: int) -> Iterator[str]:
    for line in _lines(f"/proc/sysvipc/{name}", str(key)):
        if line.split()[0] == str(key):
            yield f"{name} {' '.join(line.split()[:2])}"


def _lines(path: str, *marks: str) -> Iterator[str]:
    with suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if any(mark in line for mark in marks):
                yield line
