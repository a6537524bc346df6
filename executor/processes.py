"""One process tree at a time: start it, watch its budget, end all of it.

A worker calls `adopt_orphans()` once; from then on whatever a command leaves behind (a daemon that
forked twice, too) becomes the worker's own child and `end_tree()` finds it. Linux does this in
full; elsewhere the command's process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

POLL_S = 0.05
# A variable with the folder below which a process works; no box has it.
MARK = "IDEATOR_RL_SLOT"
LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_TICKS = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)


class Interrupted(Exception):
    """Whoever gave this work is gone or wants it stopped."""


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


@dataclass(frozen=True)
class Limits:
    """When a run must end: `seconds` of `kind` after its clock started, `wall_s` in any case.

    The wall time counts from the clock's start, which is due after `startup_s`; where that is None,
    from the very beginning.
    """

    kind: Literal["wall", "cpu"]
    seconds: float
    startup_s: float | None
    wall_s: float


class Meter(Protocol):
    """What is asked of a process tree while it runs."""

    def cpu_seconds(self) -> float: ...

    def excess(self) -> str:
        """Which limit other than time was passed; empty for none."""


@dataclass(frozen=True)
class Run:
    """How a watched process ended. `exit_code` is None when a limit ended it: `reason` says which
    limit of time, `excess` which other one.

    Times in seconds: `startup_s` wall time until the clock started, `charged_s` what counted.
    """

    exit_code: int | None
    reason: str
    startup_s: float
    charged_s: float
    wall_s: float
    excess: str = ""


def watch(
    process: subprocess.Popen[bytes],
    limits: Limits,
    *,
    meter: Meter,
    clock_start: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Run:
    """Waits for `process`, charging its whole tree by `meter`; returns at its end or at a limit.

    `clock_start` is a descriptor on which the prelude writes the CPU seconds spent so far when the
    clock starts; without one the clock runs from the beginning. Raises Interrupted when `stopped`
    says so; the caller ends the tree.
    """
    begun = time.monotonic()
    started, imports = (begun, 0.0) if clock_start is None else (None, 0.0)
    exit_fd = os.pidfd_open(process.pid) if LINUX else None
    try:
        while True:
            ended = process.poll() is not None
            now = time.monotonic()
            if started is None and clock_start is not None:
                ready = select.select([clock_start], [], [], 0)[0]
                if ready and (text := os.read(clock_start, 64)):
                    started, imports = now, float(text)
                elif limits.startup_s is not None and now - begun > limits.startup_s:
                    started = now  # too slow a start is charged from here on
                    imports = meter.cpu_seconds()
            charged = 0.0
            if started is not None:
                wall = limits.kind == "wall"
                charged = now - started if wall else max(0.0, meter.cpu_seconds() - imports)
            run = Run(None, "", (started or now) - begun, charged, now - begun)
            if charged > limits.seconds:
                reason = f"the budget of {limits.seconds:g} {limits.kind} seconds was used up"
                return replace(run, reason=reason)
            wall_from = begun if limits.startup_s is None else started
            if wall_from is not None and now - wall_from > limits.wall_s:
                return replace(run, reason=f"still running after {limits.wall_s:g} wall seconds")
            if ended:
                return replace(run, exit_code=process.returncode)
            if excess := meter.excess():
                return replace(run, excess=excess)
            if stopped():
                raise Interrupted
            _wait(exit_fd, clock_start if started is None else None, limits, charged)
    finally:
        if exit_fd is not None:
            os.close(exit_fd)


def _wait(exit_fd: int | None, clock_start: int | None, limits: Limits, charged: float) -> None:
    """Sleeps until the process ends, the clock starts, or it is time to look at the budget."""
    pause = POLL_S if charged < limits.seconds - 2 * POLL_S else POLL_S / 5
    watched = [fd for fd in (exit_fd, clock_start) if fd is not None]
    select.select(watched, [], [], pause if exit_fd is not None else pause / 5)


def how_it_ended(code: int) -> str:
    """An exit code in words; a shell's and bwrap's 128 + n stands for signal n, as -n does."""
    number = code - 128 if code > 128 else -code
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"ended with exit code {code}"


class CpuMeter:
    """CPU seconds of all descendants from now on, the ended ones included."""

    def __init__(self) -> None:
        self._before = _reaped_cpu()
        self._seen: dict[tuple[int, str], float] = {}

    def read(self) -> float:
        total = _reaped_cpu() - self._before
        for pid in descendants():
            if fields := _stat_fields(pid):
                own, waited_for = _seconds(fields[11:13]), _seconds(fields[13:15])
                self._seen[pid, fields[19]] = own
                total += own + waited_for
        # Nobody is told of the children of a process that ignores SIGCHLD: what was seen counts.
        return max(total, sum(self._seen.values()))


def _reaped_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS


def _stat_fields(pid: int) -> list[str]:
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
    return not LINUX or _stat_fields(pid)[:1] not in ([], ["Z"], ["X"])


def descendants(root: int | None = None) -> list[int]:
    """Every living descendant of a process, by default of this one (Linux only; else empty)."""
    if not LINUX:
        return []
    found, parents = [], [root or os.getpid()]
    while parents:
        parent = parents.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
            children = [
                int(pid)
                for task in tasks
                for pid in Path(f"/proc/{parent}/task/{task}/children").read_text().split()
            ]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += children
        parents += children
    return found


def end_tree(process: subprocess.Popen[bytes] | None = None) -> None:
    """Ends `process` and every descendant of this process, and reaps them."""
    if process is not None and process.poll() is None:
        _kill(os.killpg, process.pid)
    while True:
        for pid in descendants():
            _kill(os.kill, pid)
        if process is not None:
            process.wait()
        try:
            # A killed parent's children come to us: look again until nobody is left.
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
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
