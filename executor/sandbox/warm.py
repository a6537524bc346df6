"""Warm starts: a server has imported a problem's modules, and each trial is a fork of it.

    server = server_for(("torch",), env, 60.0, stopped)    # None where they cannot be imported
    process = server.start(job, output=log, pass_fds=())   # with the members of a Popen

A server is a child of this process, runs in a clean environment and never sees a file of an idea,
nor what it forks for. Servers are kept for later trials; `stop_servers()` ends them, and they end
with this process.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from executor.processes import processes
from executor.sandbox.warm_fork import LOCKED_IN, ForkJob

_SCRIPT = Path(__file__).with_name("warm_server.py")
_ROOT = Path(__file__).parents[2]
# Problems take turns in a worker; one has two servers, for training and for the candidate.
_MOST_SERVERS = 4
_POLL_S = 0.05

_Key = tuple[tuple[str, ...], frozenset[tuple[str, str]]]
_servers: dict[_Key, Server | None] = {}
# Those that were asked for since the last `check_servers()`.
_used: set[_Key] = set()


class ServerDied(Exception):
    """A server of warm starts was killed; what it started says nothing about an idea."""


class WarmProcess:
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

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self.exit_descriptor], [], [], 0)[0]:
            # What was killed says nothing.
            line = self._line()
            self.returncode = int(line) if line else -9
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if not select.select([self.exit_descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a warm start", timeout or 0.0)
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
    """Imports `modules` in the environment `env`; `is_ready` says when that is done."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [str(theirs.fileno()), ",".join(modules), str(_ROOT)]
        with theirs, open(os.devnull, "wb") as nowhere:
            self._process = processes.start(
                [sys.executable, "-P", "-B", str(_SCRIPT), *words],
                cwd=Path("/"),
                env=dict(env),
                output=nowhere.fileno(),
                pass_fds=(theirs.fileno(),),
            )
        processes.spare(self._process.pid)

    def is_ready(self, startup_s: float, stopped: Callable[[], bool]) -> bool:
        """Waits for the imports, not once `stopped()` is true; False when they failed."""
        until = time.monotonic() + startup_s
        while not select.select([self._channel], [], [], _POLL_S)[0]:
            if stopped() or time.monotonic() > until:
                return False
        return bool(self._channel.recv(16))

    def start(
        self, job: ForkJob, *, output: int, stdin: int = subprocess.DEVNULL, pass_fds: Sequence[int]
    ) -> WarmProcess:
        """Forks the server; returns when the fork is locked in. Raises OSError where it is not."""
        # Not all again: what an import has changed stays.
        job = replace(job, env=dict(job.env.items() - self._env.items()))
        reader, writer = os.pipe()
        request = os.memfd_create("request")
        os.write(request, pickle.dumps(job))
        os.lseek(request, 0, os.SEEK_SET)
        theirs, ours = os.pipe() if stdin == subprocess.PIPE else (os.open(os.devnull, 0), -1)
        try:
            descriptors = [writer, request, theirs, output, *pass_fds]
            socket.send_fds(self._channel, [b"?"], descriptors)
        finally:
            for descriptor in (writer, request, theirs):
                os.close(descriptor)
        process = WarmProcess(reader, os.fdopen(ours, "wb") if ours >= 0 else None)
        if not process.locked_in():
            raise OSError("the process could not be locked in")
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
        while len(_servers) >= _MOST_SERVERS:
            _stop(next(iter(_servers)))
        server = _servers[key] = Server(modules, env)
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
