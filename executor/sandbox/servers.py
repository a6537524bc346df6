"""Servers: each process in a box begins as a fork of one.

    server = server_for(("torch",), env, 60.0, stopped)    # None where they cannot be imported
    process = server.start(job, output=log, pass_fds=())   # with the members of a Popen
    process = launcher().start(job, output=log, pass_fds=())

A server of warm starts has imported a problem's modules, and its forks run scripts. The launcher
has imported next to nothing, so that it forks fast, and its forks become commands. Each is a child
of this process, runs in a clean environment and never sees a file of an idea, nor what it forks
for. Servers are kept for later trials; `stop_servers()` ends them, and they end with this process.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from executor.processes import processes
from executor.processes.processes import Process
from executor.sandbox.fork_server import LOCKED_IN, ForkJob

_WARM, _BARE = (Path(__file__).with_name(f"{name}.py") for name in ("warm_server", "launcher"))
# Problems take turns in a worker; one has two servers, for training and for the candidate.
_MOST_SERVERS = 4
_POLL_S = 0.05

_Key = tuple[tuple[str, ...], frozenset[tuple[str, str]]]
_LAUNCHER: _Key = ((), frozenset())
_servers: dict[_Key, Server | None] = {}
# Those that were asked for since the last `check_servers()`.
_used: set[_Key] = set()


class ServerDied(Exception):
    """A server was killed; what it started says nothing about an idea."""


class ForkedProcess:
    """A fork of a server, with the members of Popen that are used here.

    `exit_descriptor` becomes readable when the process has ended.
    """

    def __init__(self, status: int, stdin: BinaryIO | None) -> None:
        self.stdin = stdin
        self.returncode: int | None = None
        self.exit_descriptor = status
        self._text = b""
        self.pid = int(self._line() or -1)

    def locked_in(self) -> bool:
        """Waits until it is; False when it has ended instead."""
        return self._line() + b"\n" == LOCKED_IN

    def skip_line(self) -> None:
        """Waits until bwrap has told its child's number."""
        self._line()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self.exit_descriptor], [], [], 0)[0]:
            # What was killed says nothing.
            line = self._line() or b"-9"
            # As bwrap tells it: { "exit-code": 0 }
            self.returncode = json.loads(line)["exit-code"] if line[:1] == b"{" else int(line)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if not select.select([self.exit_descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a fork of a server", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def _line(self) -> bytes:
        """The next line of its report, without its end; empty when there is none."""
        line = b""
        while (byte := os.read(self.exit_descriptor, 1)) not in (b"", b"\n"):
            line += byte
        return line

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.exit_descriptor)


class Server:
    """Python with the options and the script in `words`, in the environment `env`; `is_ready` says
    when it can fork."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, open(os.devnull, "wb") as nowhere:
            self._process = processes.start(
                [sys.executable, *words, str(theirs.fileno())],
                cwd=Path("/"),
                env=dict(env),
                output=nowhere.fileno(),
                pass_fds=(theirs.fileno(),),
            )
        processes.spare(self._process.pid)

    def is_ready(self, startup_s: float, stopped: Callable[[], bool]) -> bool:
        """Waits for its imports, not once `stopped()` is true; False when they failed."""
        until = time.monotonic() + startup_s
        while not select.select([self._channel], [], [], _POLL_S)[0]:
            if stopped() or time.monotonic() > until:
                return False
        return bool(self._channel.recv(16))

    def start(
        self, job: ForkJob, *, output: int, stdin: int = subprocess.DEVNULL, pass_fds: Sequence[int]
    ) -> Process:
        """Forks the server; returns when the fork is locked in. Raises OSError where it is not."""
        if job.clock >= 0:
            # Not all again: what an import has changed stays.
            job.env = dict(job.env.items() - self._env.items())
        reader, writer = os.pipe()
        request = os.memfd_create("request")
        os.write(request, job.to_bytes())
        os.lseek(request, 0, os.SEEK_SET)
        theirs, ours = os.pipe() if stdin == subprocess.PIPE else (os.open(os.devnull, 0), -1)
        try:
            descriptors = [writer, request, theirs, output, *pass_fds]
            socket.send_fds(self._channel, [b"?"], descriptors)
        finally:
            for descriptor in (writer, request, theirs):
                os.close(descriptor)
        process = ForkedProcess(reader, os.fdopen(ours, "wb") if ours >= 0 else None)
        if not process.locked_in():
            raise OSError("the process could not be locked in")
        if job.plan is None:
            process.skip_line()
        return process

    def has_died(self) -> bool:
        """Its end of the socket is closed, which a fork of this process sees as well."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        return any(flags & select.POLLHUP for _, flags in poll.poll(0))

    def stop(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()
        processes.spare_no_more(self._process.pid)


def launcher() -> Server:
    """The server of commands, started if there is none yet."""
    _forget_dead_servers()
    if _LAUNCHER not in _servers:
        # Where the loader finds libpython.
        env = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        _servers[_LAUNCHER] = Server(["-I", "-S", "-B", str(_BARE)], env)
    _used.add(_LAUNCHER)
    server = _servers[_LAUNCHER]
    assert server is not None
    return server


def server_for(
    modules: Sequence[str],
    env: Mapping[str, str],
    startup_s: float,
    stopped: Callable[[], bool],
) -> Server | None:
    """The server with these modules and this environment, started if there is none yet.

    None where the modules cannot be imported within `startup_s`: a cold start tells why.
    """
    key = (tuple(modules), frozenset(env.items()))
    _forget_dead_servers()
    if key not in _servers:
        others = [other for other in _servers if other != _LAUNCHER]
        for other in others[: max(0, len(others) - _MOST_SERVERS + 1)]:
            _stop(other)
        words = ["-P", "-B", str(_WARM), ",".join(modules)]
        server = _servers[key] = Server(words, env)
        if not server.is_ready(startup_s, stopped):
            _stop(key)
            _servers[key] = None
    # The one that was used least recently is the first.
    found = _servers[key] = _servers.pop(key)
    _used.add(key)
    return found


def check_servers() -> None:
    """Raises ServerDied where a server that was used since the last check is no more."""
    used = _used.copy()
    _used.clear()
    if used & _forget_dead_servers():
        raise ServerDied


def _forget_dead_servers() -> set[_Key]:
    died = {key for key, server in _servers.items() if server and server.has_died()}
    for key in died:
        _stop(key)
    return died


def stop_servers() -> None:
    for key in list(_servers):
        _stop(key)


def _stop(key: _Key) -> None:
    if server := _servers.pop(key):
        server.stop()
