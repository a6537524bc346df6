"""The sandbox `namespaces`: the same box as bubblewrap's, made by the process that is locked in.

`plan(box, uid, folder, filter)` says what that process has to do, see `lock_in`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from executor.sandbox.box import DATA, TOOLS, WORK, Box
from executor.sandbox.lock_in import COVER, DEVICE, FOLDER, LINK, READ, WRITE, Plan
from executor.sandbox.machine_facts import covers
from executor.sandbox.visible import (
    gpu_devices,
    is_link_at_root,
    masked_paths,
    parent_folders,
    visible_paths,
)

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
_Step = tuple[int, str, str, bool]


def plan(box: Box, uid: int, folder: Path, filter: bytes | None) -> Plan:
    """What locks a process into the box.

    `folder` is an empty one of the host, `filter` that of system calls, see `seccomp`.
    """
    return Plan(
        root=str(folder),
        tree=list(_tree(box)),
        covers=covers(box),
        work=str(WORK),
        uid=uid,
        capabilities=_last_capability(),
        filter=filter,
    )


def _tree(box: Box) -> Iterator[_Step]:
    """The box's file tree."""
    # First, or it would cover an interpreter that lies there.
    yield _show(box.scratch / "tmp", Path("/tmp"), WRITE)
    yield from _of_the_host(box.gpus, box.hidden)
    yield _show(box.work, WORK, WRITE)
    yield _show(box.scratch / "shm", Path("/dev/shm"), WRITE)
    if box.data:
        yield _show(box.data, DATA)
    for name, path in box.tools.items():
        yield _show(path, TOOLS / name)


@lru_cache(maxsize=8)
def _of_the_host(gpus: bool, hidden: tuple[Path, ...]) -> tuple[_Step, ...]:
    """What is the same in all boxes of a problem."""
    return tuple(_find_of_the_host(gpus, hidden))


def _find_of_the_host(gpus: bool, hidden: tuple[Path, ...]) -> Iterator[_Step]:
    shown = visible_paths(gpus)
    for parent in parent_folders(
        (*shown, WORK, TOOLS / "any", Path("/dev/any"), Path("/proc/any"))
    ):
        yield FOLDER, str(parent), "", True
    for path in shown:
        if is_link_at_root(path):
            yield LINK, str(path), os.readlink(path), False
        else:
            yield _show(path, path)
    for path in masked_paths(hidden, gpus):
        if path.is_dir():
            yield COVER, str(path), "", True
        else:
            yield _show(Path("/dev/null"), path)
    devices = [Path("/dev") / name for name in _DEVICES]
    for device in (*devices, *(gpu_devices() if gpus else ())):
        yield _show(device, device, DEVICE)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        yield LINK, f"/dev/{name}", f"/proc/self/fd{target}", False
    if gpus and Path("/sys").exists():
        yield _show(Path("/sys"), Path("/sys"))


def _show(source: Path, place: Path, how: int = READ) -> _Step:
    return how, str(place), str(source), source.is_dir()


@cache
def _last_capability() -> int:
    return int(_LAST_CAPABILITY.read_text())
