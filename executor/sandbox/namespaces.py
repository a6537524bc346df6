"""The sandbox `namespaces`: the same box as bubblewrap's, made by a forked worker itself.

`entry(box, uid, folder)()` runs in a new child before its command does. It leaves the worker's
namespaces, builds the box's file tree and forks twice: the outer process waits, the middle one is
process 1 of the box, whose end ends all others, and only the inner one returns, as an ordinary user
without capabilities, ready to become the command.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from executor.sandbox import syscalls as sys
from executor.sandbox.box import DATA, TOOLS, WORK, Box
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
_NOBODY = 65534


@dataclass(frozen=True)
class _Seen:
    """Of the host: what a box shows, what is covered in it, and the filter of its system calls."""

    visible: tuple[Path, ...]
    masked: tuple[Path, ...]
    covers: tuple[tuple[Path, Path], ...]
    filter: bytes | None


def entry(
    box: Box, uid: int, folder: Path, filter: bytes | None, report: int | None = None
) -> Callable[[], None]:
    """What locks the process in that calls it, and returns in a grandchild of that process.

    `folder` is an empty one of the host, `filter` that of system calls, see `seccomp`. The exit
    code of the grandchild is that of the caller, and is written to the descriptor `report` if there
    is one. What is called raises OSError where the kernel refuses.
    """
    # Looked up here, since a worker remembers it and each new child would look again.
    seen = _Seen(
        visible_paths(box.gpus),
        masked_paths(box.hidden, box.gpus),
        tuple(covers(box)),
        filter,
    )
    return partial(_enter, box, seen, uid, folder, report)


def _enter(box: Box, seen: _Seen, uid: int, folder: Path, report: int | None) -> None:
    as_root = os.geteuid() == 0
    highest = int(_LAST_CAPABILITY.read_text())
    namespaces = sys.NEWNS | sys.NEWPID | sys.NEWNET | sys.NEWIPC | sys.NEWUTS
    if as_root:
        sys.unshare(namespaces)
    else:
        user, group = os.geteuid(), os.getegid()
        sys.unshare(namespaces | sys.NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{_NOBODY} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{_NOBODY} {group} 1")
    sys.set_hostname("box")
    # Its own: torchrun, gloo and NCCL meet there.
    sys.raise_loopback()
    sys.mount("none", "/", flags=sys.REC | sys.PRIVATE)
    _build(box, seen, folder)
    _fork_and_wait(report)
    # Process 1 of the box: only now can its /proc be mounted.
    sys.prctl(sys.PR_SET_PDEATHSIG, signal.SIGKILL)
    flags = sys.NOSUID | sys.NODEV | sys.NOEXEC
    sys.mount("proc", f"{folder}/proc", "proc", flags, "hidepid=invisible")
    for source, place in seen.covers:
        sys.bind(str(source), f"{folder}{place}", read_only=True)
    _move_in(folder)
    # This process has the worker's memory: no process in the box may read it.
    sys.prctl(sys.PR_SET_DUMPABLE, 0)
    _fork_and_wait()
    os.setsid()
    for capability in range(highest + 1):
        sys.prctl(sys.PR_CAPBSET_DROP, capability)
    if as_root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    sys.prctl(sys.PR_CAP_AMBIENT, sys.PR_CAP_AMBIENT_CLEAR_ALL)
    # In a user namespace of its own it has them all, and a warm start calls no exec() that ends it.
    sys.drop_capabilities()
    sys.prctl(sys.PR_SET_NO_NEW_PRIVS, 1)
    if seen.filter:
        sys.filter_syscalls(seen.filter)


def _build(box: Box, seen: _Seen, folder: Path) -> None:
    """The box's file tree, below `folder`."""
    root = str(folder)
    sys.mount("tmpfs", root, "tmpfs", sys.NOSUID | sys.NODEV, "size=1m,mode=0755")
    # First, or it would cover an interpreter that lies there.
    _bind(box.scratch / "tmp", root, Path("/tmp"), read_only=False)
    for parent in parent_folders(
        (*seen.visible, WORK, TOOLS / "any", Path("/dev/any"), Path("/proc/any"))
    ):
        Path(f"{root}{parent}").mkdir(mode=0o755, exist_ok=True)
    for path in seen.visible:
        if is_link_at_root(path):
            Path(f"{root}{path}").symlink_to(os.readlink(path))
        else:
            _bind(path, root, path)
    for path in seen.masked:
        if path.is_dir():
            options = sys.RDONLY | sys.NOSUID | sys.NODEV
            sys.mount("tmpfs", f"{root}{path}", "tmpfs", options, "mode=0555")
        else:
            _bind(Path("/dev/null"), root, path)
    for name in _DEVICES:
        _device(Path("/dev") / name, root)
    for device in gpu_devices() if box.gpus else ():
        _device(device, root)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        Path(f"{root}/dev/{name}").symlink_to(f"/proc/self/fd{target}")
    if box.gpus and Path("/sys").exists():
        _bind(Path("/sys"), root, Path("/sys"))
    _bind(box.work, root, WORK, read_only=False)
    _bind(box.scratch / "shm", root, Path("/dev/shm"), read_only=False)
    if box.data:
        _bind(box.data, root, DATA)
    for name, path in box.tools.items():
        _bind(path, root, TOOLS / name)


def _bind(source: Path, root: str, place: Path, *, read_only: bool = True) -> None:
    target = Path(f"{root}{place}")
    if not target.exists():
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.mkdir(mode=0o755) if source.is_dir() else target.touch()
    sys.bind(str(source), str(target), read_only=read_only)


def _device(device: Path, root: str) -> None:
    target = Path(f"{root}{device}")
    target.mkdir() if device.is_dir() else target.touch()
    sys.mount(str(device), str(target), flags=sys.BIND | sys.REC)


def _move_in(folder: Path) -> None:
    """Makes `folder` the root; the host's own is unmounted from sight."""
    os.chdir(folder)
    sys.pivot_root(".", ".")
    sys.unmount(".")
    sys.make_read_only("/")
    os.chdir(WORK)


def _fork_and_wait(report: int | None = None) -> None:
    """Returns in the child; the parent waits for it and ends as it did, without a trace."""
    child = os.fork()
    if child == 0:
        return
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(0, last if report is None else report)
    if report is not None:
        os.closerange(report + 1, last)
    status = 0
    while True:
        # As process 1 this one also reaps the orphans of the box.
        with suppress(InterruptedError):
            pid, status = os.waitpid(-1, 0)
            if pid == child:
                break
    code = os.waitstatus_to_exitcode(status)
    code = code if code >= 0 else 128 - code
    if report is not None:
        with suppress(BrokenPipeError):
            os.write(report, f"{code}\n".encode())
    os._exit(code)
