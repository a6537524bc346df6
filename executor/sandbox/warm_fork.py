"""How a server of warm starts forks, and how its fork locks itself in: the server's half of `warm`.

job = serve(descriptor)      # returns in a fork, locked in, with what it is to run
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from executor.processes import processes
from executor.sandbox import cgroup, namespaces, rlimits, syscalls

# The descriptor on which a fork reports: its pid, that it is locked in, how it ended, a line each.
# Its number is above all that a box starts with.
STATUS = 500
LOCKED_IN = b"+\n"
MOST_DESCRIPTORS = 64
# Imported here, once, since the steps of every request are of these modules.
_ = cgroup, namespaces, rlimits


@dataclass(frozen=True)
class ForkJob:
    """What a fork becomes.

    Args:
        steps: what locks it in; see `sandbox.start`.
        env: what its environment has beside the server's.
        cwd: its folder before it is locked in.
        clock: the descriptor on which it says how much CPU time its start took.
        script: the script and its arguments.
        numbers: of the descriptors that it gets beside standard input and output.
    """

    steps: tuple[Callable[[], None], ...]
    env: dict[str, str]
    cwd: str
    clock: int
    script: list[str]
    numbers: tuple[int, ...]


def serve(descriptor: int) -> ForkJob:
    """Forks at every request on the socket `descriptor`; returns in the fork only."""
    channel = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, _reap)
    server = os.getpid()
    channel.send(b"ready")
    while True:
        select.select([channel], [], [])
        if not channel.recv(1, socket.MSG_PEEK):
            os._exit(0)
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                return _locked_in(channel, server)
            except BaseException as error:
                _give_up(error)
        # The next request is looked for when the fork has taken this one, and closed its end.
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)


def _reap(*_: Any) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _locked_in(channel: socket.socket, server: int) -> ForkJob:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    processes.die_with_parent(server)
    os.setsid()
    _, received, _, _ = socket.recv_fds(channel, 1, MOST_DESCRIPTORS)
    channel.detach()
    # First out of the way: the number of one may be the place of another.
    for number, place in zip(received, range(STATUS, STATUS + len(received)), strict=True):
        os.dup2(number, place)
    os.closerange(3, STATUS)
    request, stdin, output, *others = range(STATUS + 1, STATUS + len(received))
    with open(request, "rb", closefd=False) as file:
        job: ForkJob = pickle.load(file)
    places = zip((stdin, output, output, *others), (0, 1, 2, *job.numbers), strict=True)
    for number, place in places:
        os.dup2(number, place)
    os.closerange(STATUS + 1, STATUS + len(received))
    os.write(STATUS, f"{os.getpid()}\n".encode())
    os.chdir(job.cwd)
    for step in job.steps:
        step()
    # Of a process that changed its user the kernel hides even its own files.
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    os.environ.update(job.env)
    os.write(STATUS, LOCKED_IN)
    os.close(STATUS)
    # For who looks at the machine: the command line stays the server's.
    Path("/proc/self/comm").write_text(Path(job.script[0]).name)
    return job


def _give_up(error: BaseException) -> None:
    """Says why to the log, if it is there already, and to who asked."""
    for descriptor, text in ((2, str(error)), (STATUS, f"!{error}")):
        with suppress(OSError):
            os.write(descriptor, f"{text.splitlines()[0] if text else error!r}\n".encode())
    os._exit(1)
