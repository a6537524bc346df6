"""How a server forks, and how its fork locks itself in: the servers' half of `servers`.

job = serve(descriptor)      # returns in a fork, locked in, with what it is to run

It imports little: each process in a box begins as a fork of one that has imported it.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select
import signal

from executor.sandbox import syscalls
from executor.sandbox.lock_in import Plan, lock_in, set_rlimits, write

# The descriptor on which a fork reports: its pid, that it is locked in, how it ended, a line each.
# Its number is above all that a box starts with.
STATUS = 500
LOCKED_IN = b"+\n"
MOST_DESCRIPTORS = 64
_INT_BYTES = 4


class ForkJob:
    """What a fork becomes.

    Args:
        words: the command, or the script, and its arguments.
        env: its environment; of a script, what it has beside the server's.
        cwd: its folder before it is locked in.
        numbers: of the descriptors that it gets beside standard input and output.
        groups: files of control groups, into which it writes that it enters.
        limits: see `rlimits`.
        plan: of the box; None where the command is bwrap, which makes it and reports how it ended.
        clock: of a script, the descriptor on which it says how much CPU time its start took.
    """

    def __init__(
        self,
        *,
        words: list[str],
        env: dict[str, str],
        cwd: str,
        numbers: list[int],
        groups: list[str],
        limits: list[tuple[int, int]],
        plan: Plan | None,
        clock: int = -1,
    ) -> None:
        self.words, self.env, self.cwd, self.numbers = words, env, cwd, numbers
        self.groups, self.limits, self.plan, self.clock = groups, limits, plan, clock

    def to_bytes(self) -> bytes:
        plan = self.plan.__dict__ if self.plan else None
        return marshal.dumps({**self.__dict__, "plan": plan})

    @staticmethod
    def from_bytes(data: bytes) -> ForkJob:
        fields = marshal.loads(data)
        return ForkJob(**{**fields, "plan": Plan(**fields["plan"]) if fields["plan"] else None})


def serve(descriptor: int) -> ForkJob:
    """Forks at every request on the socket `descriptor`; returns in the fork only."""
    channel = _socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, _reap)
    server = os.getpid()
    channel.send(b"ready")
    while True:
        select.select([descriptor], [], [])
        if not channel.recv(1, _socket.MSG_PEEK):
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


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _locked_in(channel: _socket.socket, server: int) -> ForkJob:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with(server)
    os.setsid()
    job = _take(channel)
    os.write(STATUS, f"{os.getpid()}\n".encode())
    os.chdir(job.cwd)
    for path in job.groups:
        write(path, "0")
    set_rlimits(job.limits)
    if job.plan:
        lock_in(job.plan, STATUS)
        # Of a process that changed its user the kernel hides even its own files.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    os.write(STATUS, LOCKED_IN)
    if job.plan:
        os.close(STATUS)
    return job


def _take(channel: _socket.socket) -> ForkJob:
    """The next request; the descriptors that came with it are in their places, and no others."""
    _, sent, _, _ = channel.recvmsg(1, _socket.CMSG_LEN(MOST_DESCRIPTORS * _INT_BYTES))
    received = list(memoryview(sent[0][2]).cast("i"))
    channel.detach()
    # First out of the way: the number of one may be the place of another.
    for number, place in zip(received, range(STATUS, STATUS + len(received)), strict=True):
        os.dup2(number, place)
    os.closerange(3, STATUS)
    request, stdin, output, *others = range(STATUS + 1, STATUS + len(received))
    with open(request, "rb", closefd=False) as file:
        job = ForkJob.from_bytes(file.read())
    places = zip((stdin, output, output, *others), (0, 1, 2, *job.numbers), strict=True)
    for number, place in places:
        os.dup2(number, place)
    os.closerange(STATUS + 1, STATUS + len(received))
    return job


def _die_with(parent: int) -> None:
    """In a new child: end with the parent, even when it was killed, a moment ago perhaps."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _give_up(error: BaseException) -> None:
    """Says why to the log, if it is there already, and to who asked."""
    for descriptor, text in ((2, str(error)), (STATUS, f"!{error}")):
        try:  # noqa: SIM105 (it would be an import)
            os.write(descriptor, f"{text.splitlines()[0] if text else error!r}\n".encode())
        except OSError:
            pass
    os._exit(1)
