"""A sandbox: one way to lock a process tree in, as tested on this machine; starts processes in it.

group = open_group(sandbox, box)
process = start(sandbox, box, ["python", "train.py"], env=env, output=log, group=group)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from typing import Literal, get_args

from executor.processes import processes
from executor.processes.owned_names import owned_name
from executor.records import Record
from executor.sandbox import bubblewrap, cgroup, namespaces, seccomp, syscalls
from executor.sandbox.box import DATA, TOOLS, WORK, Box
from executor.sandbox.fork_server import STATUS, ForkJob
from executor.sandbox.lock_in import Plan, set_rlimits
from executor.sandbox.rlimits import rlimits
from executor.sandbox.servers import Server, launcher

Level = Literal["strict", "best-effort", "none"]
LEVELS: tuple[Level, ...] = get_args(Level)
SandboxName = Literal["bubblewrap", "namespaces", "process", "workers"]
# Users of this range own no files; each worker of root uses one of its own.
_FIRST_UID, _UIDS = 61184, 4096
_numbers = count()


@dataclass(frozen=True)
class Sandbox(Record):
    """`name` is `workers` where each worker has its own, `level` what it reaches, `binary` bwrap's
    path, `grouped` and `mounted` whether control groups and a tmpfs of its own bound a trial;
    without them the worker watches and ends it."""

    name: SandboxName
    level: Level
    version: str = ""
    binary: str = ""
    grouped: bool = False
    mounted: bool = False

    @property
    def isolates(self) -> bool:
        return self.name != "process"

    def __str__(self) -> str:
        if self.level == "none":
            return "none"
        if self.name == "workers":
            return f"{self.level}: each worker's own"
        memory = "control groups" if self.grouped else "watching"
        disk = "tmpfs" if self.mounted else "watching"
        name = f"{self.name} {self.version}".strip()
        return f"{self.level}: {name}, memory by {memory}, disk by {disk}"


@cache
def box_uid() -> int:
    """The user that this worker's boxes run as: the same in a process that it forks."""
    return _FIRST_UID + os.getpid() % _UIDS if os.geteuid() == 0 else os.geteuid()


def open_group(sandbox: Sandbox, box: Box) -> cgroup.ControlGroup | None:
    """A control group for one box; None where the sandbox has none."""
    if not sandbox.grouped:
        return None
    group = cgroup.create(
        owned_name(str(next(_numbers))),
        memory_mib=box.limits.memory_mib,
        processes=box.limits.processes,
    )
    if group is None:
        raise OSError("the control groups that this worker was started with are gone")
    return group


def start(
    sandbox: Sandbox,
    box: Box,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    output: int,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    group: cgroup.ControlGroup | None = None,
) -> processes.Process:
    """Starts a command locked in; it ends with this process, and so does everything that it starts.

    Raises OSError where the sandbox does not start. A command that does not exist ends with 127 in
    a box, and raises OSError without one.
    """
    words, descriptors = list(command), list(pass_fds)
    if not sandbox.isolates:
        return processes.start(
            words,
            cwd=box.work,
            env=dict(env),
            output=output,
            stdin=stdin,
            pass_fds=pass_fds,
            before=_steps(sandbox, box),
        )
    plan = None
    if sandbox.name == "namespaces":
        plan = _plan(sandbox, box)
    else:
        options, prefix = bubblewrap.arguments(box, box_uid())
        if (code := _filter(sandbox, box)) is not None:
            descriptors.append(_in_memory(code))
            options = ["--seccomp", str(descriptors[-1]), *options]
        options = ["--json-status-fd", str(STATUS), *options]
        # Not on the command line: a box can read that of its first process.
        descriptors.append(_in_memory("\0".join(options).encode()))
        words = [sandbox.binary, "--args", str(descriptors[-1]), "--", *prefix, *words]
        # Of bwrap's own processes; the command does not get to see it.
        env = {**env, processes.MARK: os.environ.get(processes.MARK, "")}
    job = ForkJob(
        words=words,
        env=dict(env),
        cwd=str(box.work),
        numbers=descriptors,
        groups=_entrances(group),
        limits=rlimits(box.limits, box_uid(), grouped=sandbox.grouped),
        plan=plan,
    )
    try:
        return launcher().start(job, output=output, stdin=stdin, pass_fds=descriptors)
    finally:
        for descriptor in descriptors[len(pass_fds) :]:
            os.close(descriptor)


def start_warm(
    server: Server,
    sandbox: Sandbox,
    box: Box,
    script: Sequence[str],
    clock: int,
    *,
    env: Mapping[str, str],
    output: int,
    stdin: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    group: cgroup.ControlGroup | None = None,
) -> processes.Process:
    """Starts a Python script as a fork of a server, locked in by the sandbox `namespaces`.

    `clock`, one of `pass_fds`, is where it says how much CPU time its start took. Raises OSError
    where the sandbox does not start.
    """
    job = ForkJob(
        words=list(script),
        env=dict(env),
        cwd=str(box.work),
        numbers=list(pass_fds),
        groups=_entrances(group),
        limits=rlimits(box.limits, box_uid(), grouped=sandbox.grouped),
        plan=_plan(sandbox, box),
        clock=clock,
    )
    return server.start(job, output=output, stdin=stdin, pass_fds=pass_fds)


def _steps(sandbox: Sandbox, box: Box) -> list[Callable[[], None]]:
    """What a process does first that no box holds."""
    if sandbox.level == "none":
        return []
    limits = rlimits(box.limits, box_uid(), grouped=False)
    steps: list[Callable[[], None]] = [partial(set_rlimits, limits)]
    if processes.LINUX:
        steps.append(partial(syscalls.prctl, syscalls.PR_SET_NO_NEW_PRIVS, 1))
    return steps


def _entrances(group: cgroup.ControlGroup | None) -> list[str]:
    return [str(path) for path in group.entrances()] if group else []


def _plan(sandbox: Sandbox, box: Box) -> Plan:
    """What locks a process into the sandbox `namespaces`."""
    root = box.scratch / "root"
    root.mkdir(exist_ok=True)
    return namespaces.plan(box, box_uid(), root, _filter(sandbox, box))


def _filter(sandbox: Sandbox, box: Box) -> bytes | None:
    return seccomp.program(memory_files=sandbox.grouped, gpus=box.gpus)


def _in_memory(data: bytes) -> int:
    """A descriptor from which the data can be read."""
    descriptor = os.memfd_create("bwrap")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def places(sandbox: Sandbox, box: Box) -> tuple[str, str, str]:
    """Where the command finds its work folder, the data (or "") and a folder for small files."""
    if sandbox.isolates:
        return str(WORK), str(DATA) if box.data else "", "/tmp"
    return str(box.work), str(box.data or ""), str(box.scratch / "tmp")


def tool(sandbox: Sandbox, box: Box, name: str) -> str:
    """The path under which the command finds a tool of its box."""
    return str(TOOLS / name if sandbox.isolates else box.tools[name])
