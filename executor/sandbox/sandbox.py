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
from executor.sandbox.rlimits import set_rlimits
from executor.sandbox.warm import Server, WarmProcess
from executor.sandbox.warm_fork import STATUS, ForkJob

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
) -> subprocess.Popen[bytes]:
    """Starts a command locked in; it ends with this process, and so does everything that it starts.

    Raises OSError where the command or the sandbox does not start.
    """
    words, descriptors = list(command), list(pass_fds)
    steps = _limits(sandbox, box, group)
    if sandbox.name == "bubblewrap":
        options, prefix = bubblewrap.arguments(box, box_uid())
        if (code := _filter(sandbox, box)) is not None:
            descriptors.append(_in_memory(code))
            options = ["--seccomp", str(descriptors[-1]), *options]
        # Not on the command line: a box can read that of its first process.
        descriptors.append(_in_memory("\0".join(options).encode()))
        words = [sandbox.binary, "--args", str(descriptors[-1]), "--", *prefix, *words]
        # Of bwrap's own processes; the command does not get to see it.
        env = {**env, processes.MARK: os.environ.get(processes.MARK, "")}
    elif sandbox.name == "namespaces":
        steps.append(_entry(sandbox, box))
    elif sandbox.level != "none" and processes.LINUX:
        steps.append(partial(syscalls.prctl, syscalls.PR_SET_NO_NEW_PRIVS, 1))
    try:
        return processes.start(
            words,
            cwd=box.work,
            env=dict(env),
            output=output,
            stdin=stdin,
            pass_fds=descriptors,
            before=steps,
        )
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
) -> WarmProcess:
    """Starts a Python script as a fork of a server, locked in by the sandbox `namespaces`.

    `clock`, one of `pass_fds`, is where it says how much CPU time its start took. Raises OSError
    where the sandbox does not start.
    """
    steps = (*_limits(sandbox, box, group), _entry(sandbox, box, report=STATUS))
    job = ForkJob(steps, dict(env), str(box.work), clock, list(script), tuple(pass_fds))
    return server.start(job, output=output, stdin=stdin, pass_fds=pass_fds)


def _limits(
    sandbox: Sandbox, box: Box, group: cgroup.ControlGroup | None
) -> list[Callable[[], None]]:
    """What bounds the resources of the process that calls it."""
    steps = []
    if group:
        steps.append(group.enter)
    if sandbox.level != "none":
        steps.append(partial(set_rlimits, box.limits, box_uid(), grouped=sandbox.grouped))
    return steps


def _entry(sandbox: Sandbox, box: Box, report: int | None = None) -> Callable[[], None]:
    """What locks the process that calls it into the sandbox `namespaces`."""
    root = box.scratch / "root"
    root.mkdir(exist_ok=True)
    return namespaces.entry(box, box_uid(), root, _filter(sandbox, box), report)


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
