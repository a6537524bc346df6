"""What a cheat could leave on the host, as sets of lines: two snapshots are compared.

    before = take_snapshot()
    ...
    left_behind(before, take_snapshot())        # [] if the host is as before

Other executors may run on the machine at the same time: what belongs to a living process of theirs
is left out.
"""

from __future__ import annotations

import os
import pwd
import re
import site
import socket
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from executor.data import data_root
from executor.sandbox.cgroup import PREFIX, ROOT

Snapshot = Mapping[str, frozenset[str]]

_MARK = "ideator-cheat"
_OWNED = re.compile(rf"{PREFIX}(\d+)-")


def take_snapshot() -> Snapshot:
    """The host as it is now, by what is looked at."""
    return {
        "processes": frozenset(_strays()),
        "temporary files": frozenset(_files(tempfile.gettempdir(), _MARK, PREFIX)),
        "shared memory": frozenset(_files("/dev/shm")) | frozenset(_files("/dev/mqueue")),
        "files of the system": frozenset(_system_files()),
        "prepared data": frozenset(_stamps(data_root())),
        "mounts": frozenset(_lines("/proc/self/mountinfo")),
        "control groups": frozenset(_groups()),
        "System V": frozenset(line for name in ("shm", "sem", "msg") for line in _system_v(name)),
        "keys": frozenset(line for line in _lines("/proc/keys") if _MARK in line),
        "sockets": frozenset(line for line in _lines("/proc/net/unix") if f"{_MARK}-s" in line),
        "settings": frozenset([socket.gethostname(), f"clock {_clock_offset():.0f}"]),
    }


def left_behind(before: Snapshot, after: Snapshot) -> list[str]:
    """What has come or changed, in words."""
    return [f"{name}: {line}" for name in after for line in sorted(after[name] - before[name])]


def _clock_offset() -> float:
    """Seconds between the clocks: a set clock shows; rounded, as they drift apart."""
    return (time.time() - time.monotonic()) / 60


def _strays() -> Iterator[str]:
    """Processes of a box, or with a cheat's mark, that no living worker has above it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            inside = b"HOME=/ideator/work" in Path(f"/proc/{name}/environ").read_bytes()
            if (inside or _MARK.encode() in words) and not _has_worker(int(name)):
                yield f"{name}: {words!r}"


def _has_worker(pid: int) -> bool:
    while pid > 1:
        try:
            if b"executor.workers.slot" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def _files(folder: str, *marks: str) -> Iterator[str]:
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if (not marks or any(mark in name for mark in marks)) and not _is_owned(name):
            yield f"{folder}/{name}"


def _is_owned(name: str) -> bool:
    """Whether a name of the executor's holds the number of a living process."""
    match = _OWNED.match(name)
    return match is not None and Path(f"/proc/{match[1]}").exists()


def _system_files() -> Iterator[str]:
    """The names at the top of every folder that Python or a shell reads by itself."""
    # Not what HOME says: the traps change it.
    folders = {"/", "/usr", "/etc", "/var/tmp", "/run", pwd.getpwuid(os.getuid()).pw_dir}
    folders |= {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    folders |= {site.getusersitepackages(), str(Path(__file__).parents[2])}
    for folder in folders:
        with suppress(OSError):
            # Tools keep caches of their own there.
            yield from (path for path in _files(folder) if "cache" not in path)


def _stamps(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        state = path.stat()
        yield f"{path} {state.st_size} {state.st_mtime_ns} {state.st_mode:o} {state.st_uid}"


def _groups() -> Iterator[str]:
    for folder, folders, _ in os.walk(ROOT):
        yield from (
            f"{folder}/{name}" for name in folders if PREFIX in name and not _is_owned(name)
        )


def _system_v(name: str) -> Iterator[str]:
    for line in _lines(f"/proc/sysvipc/{name}"):
        yield f"{name} {' '.join(line.split()[:2])}"


def _lines(path: str) -> list[str]:
    with suppress(OSError):
        return Path(path).read_text().splitlines()
    return []
