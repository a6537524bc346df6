"""One process tree at a time: start it, end all of it.

A worker calls `adopt_orphans()` once; from then on whatever a command leaves behind (a daemon that
forked twice, too) becomes the worker's own child and `end_tree()` finds it. Linux does this in
full; elsewhere the command's process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

# A variable with the folder below which a process works; no box has it.
MARK = "IDEATOR_RL_SLOT"
LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
_spared: set[int] = set()


class Process(Protocol):
    """A started process: a Popen, or another with these members of it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def adopt_orphans() -> None:
    """Makes this process the parent of every orphan among its descendants."""
    if LINUX:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """In a new child: end with the parent, even when it was killed, a moment ago perhaps."""
    if LINUX:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def fork(work: Callable[[], None]) -> int:
    """Forks; the child does `work` and is gone, whatever that raises: it never comes back here.

    Returns the child's pid. The child ends with this process; its exit code is 0 or, after an
    exception, 1. What it has buffered is lost unless `work` flushes it.
    """
    parent = os.getpid()
    if pid := os.fork():
        return pid
    code = 1
    try:
        die_with_parent(parent)
        work()
        code = 0
    except BaseException:
        # Where even the log is full, nothing can be said.
        with suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(code)


def start(
    command: Sequence[str],
    *,
    cwd: Path,
    env: dict[str, str],
    output: int,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    before: Sequence[Callable[[], None]] = (),
) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own that dies with this process.

    `before` is what the new process does first. Raises OSError where that or the command fails.
    """

    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(parent)
        try:
            for step in before:
                step()
        except OSError as error:
            # The parent is told only that something went wrong.
            os.write(2, f"{error.strerror or error}\n".encode())
            raise

    try:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=prepare,
        )
    except subprocess.SubprocessError:
        raise OSError("the process could not be locked in") from None


def exit_descriptor(process: Process) -> int:
    """A descriptor that is readable once the process has ended (Linux only), for the caller to
    close."""
    own = getattr(process, "exit_descriptor", None)
    return os.pidfd_open(process.pid) if own is None else os.dup(own)


def spare(pid: int) -> None:
    """From now on this child does not count as a descendant; what it starts still does."""
    _spared.add(pid)


def spare_no_more(pid: int) -> None:
    _spared.discard(pid)


def spared() -> list[int]:
    return list(_spared)


def how_it_ended(code: int) -> str:
    """An exit code in words; a shell's and bwrap's 128 + n stands for signal n, as -n does."""
    number = code - 128 if code > 128 else -code
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"ended with exit code {code}"


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not LINUX or stat_fields(pid)[:1] not in ([], ["Z"], ["X"])


def descendants(root: int | None = None) -> list[int]:
    """Every living descendant of a process, by default of this one (Linux only; else empty)."""
    if not LINUX:
        return []
    found, parents = [], [root or os.getpid()]
    while parents:
        parent = parents.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
            children = [pid for task in tasks for pid in _children(parent, task)]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [pid for pid in children if pid not in _spared]
        parents += children
    return found


def _children(pid: int, task: str) -> list[int]:
    # By plain system calls: every trial asks some times.
    descriptor = os.open(f"/proc/{pid}/task/{task}/children", os.O_RDONLY)
    try:
        text = b""
        while chunk := os.read(descriptor, 1 << 16):
            text += chunk
    finally:
        os.close(descriptor)
    return [int(child) for child in text.split()]


def end_tree(process: Process | None = None) -> None:
    """Ends `process` and every descendant of this process, and reaps them."""
    if process is not None and process.poll() is None:
        _kill(os.killpg, process.pid)
    while True:
        for pid in descendants():
            _kill(os.kill, pid)
        if process is not None:
            process.wait()
        try:
            # A killed parent's children come to us: look again until none is left.
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            # Twice: what lost its parent during one look is now where that look began.
            if _spared and not descendants() and not descendants():
                return
            time.sleep(0.001)


def end_strays(folder: Path) -> None:
    """Ends what works below `folder` after the process that watched it was killed (Linux only).

    Such a process has a path below the folder in its environment.
    """
    below = b"=" + os.fsencode(folder) + b"/"
    ended: set[str] = set()
    while True:
        before = len(ended)
        for name in os.listdir("/proc") if LINUX else ():
            with suppress(OSError):
                if name.isdigit() and below in Path(f"/proc/{name}/environ").read_bytes():
                    os.kill(int(name), signal.SIGKILL)
                    ended.add(name)
        # One that forked just before it was killed has left a child: look again.
        if len(ended) == before:
            return


def _kill(how: Callable[[int, int], None], pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        how(pid, signal.SIGKILL)
