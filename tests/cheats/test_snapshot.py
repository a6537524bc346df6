"""A snapshot of the host sees what trials of this process leave, and nothing that others do."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from executor.processes.owned_names import owned_name
from executor.sandbox import cgroup, sandbox, syscalls
from gym_envs.cheats.traps import Traps
from tests.cheats.snapshot import Workers, left_behind, take_snapshot
from tests.executor.runs import wait_until

# Starts a process that nobody is the parent of, tells its number and ends.
_DAEMON = """
import os, subprocess, sys
daemon = subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=subprocess.DEVNULL)
print(daemon.pid)
"""
_SLEEP = (sys.executable, "-ISc", "import time; time.sleep(30)")
_libc = ctypes.CDLL(None)


def _command_line(pid: int) -> bytes:
    """Empty where there is no such process, and of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@contextmanager
def _daemon(mark: str, home: str = "/") -> Iterator[None]:
    command = [sys.executable, "-ISc", _DAEMON, *_SLEEP, mark]
    started = subprocess.run(command, env={"HOME": home}, stdout=subprocess.PIPE, check=True)
    pid = int(started.stdout)
    try:
        # Until it is the program that it says, and an orphan.
        wait_until(lambda: b"sleep" in _command_line(pid))
        yield
    finally:
        os.kill(pid, 9)
        # A killed process has its command line until the kernel has cleared it away.
        wait_until(lambda: not _command_line(pid))


@contextmanager
def _file(path: Path, text: str = "", uid: int = -1) -> Iterator[None]:
    path.write_text(text)
    try:
        os.chown(path, uid, -1)
        yield
    finally:
        path.unlink()


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()


@contextmanager
def _mount(path: Path) -> Iterator[None]:
    with _folder(path):
        syscalls.mount("none", str(path), "tmpfs")
        try:
            yield
        finally:
            syscalls.unmount(str(path))


@contextmanager
def _shared_memory(key: int) -> Iterator[None]:
    number = _libc.shmget(key, 4096, 0o1600)
    assert number >= 0
    try:
        yield
    finally:
        _libc.shmctl(number, 0, None)


@contextmanager
def _listening(name: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        yield


def _group(worker: int) -> Path:
    found = cgroup._parents()
    if found is None:
        pytest.skip("no control groups can be made here")
    return found[1]["pids"] / owned_name("0", worker)


_WORKER = 2**22 + 1  # no process has such a number
# What is left, by somebody with this mark, key and worker.
_TRACES: dict[str, Callable[[str, int, int], AbstractContextManager[None]]] = {
    "a process": lambda mark, key, worker: _daemon(mark),
    "a temporary file": lambda mark, key, worker: _file(Path(tempfile.gettempdir()) / mark),
    "shared memory": lambda mark, key, worker: _file(Path("/dev/shm") / mark),
    "a file of the system": lambda mark, key, worker: _file(Path("/var/tmp") / mark),
    "a planted module": lambda mark, key, worker: _file(
        Path("/var/tmp") / "ideator-test-sitecustomize.py", f"import os  # {mark}"
    ),
    "a mount": lambda mark, key, worker: _mount(Path("/var/tmp") / mark),
    "a control group": lambda mark, key, worker: _folder(_group(worker)),
    "System V": lambda mark, key, worker: _shared_memory(key),
    "a socket": lambda mark, key, worker: _listening(mark),
}


@pytest.mark.parametrize("trace", _TRACES)
def test_a_trace_of_ours_is_seen_and_one_of_others_is_not(trace: str, traps: Traps) -> None:
    if trace == "a mount" and os.geteuid() != 0:
        pytest.skip("an ordinary user mounts nothing")
    leave = _TRACES[trace]
    before = take_snapshot(traps, {_WORKER})
    with leave("ideator-cheat-0123", traps.key + 1, _WORKER + 1):
        assert left_behind(before, take_snapshot(traps, {_WORKER})) == []
    with leave(traps.mark, traps.key, _WORKER):
        assert left_behind(before, take_snapshot(traps, {_WORKER})) != []
    assert left_behind(before, take_snapshot(traps, {_WORKER})) == []


def test_what_came_out_of_a_box_is_seen_without_a_mark(traps: Traps) -> None:
    before = take_snapshot(traps, ())
    with _daemon("no mark", home="/ideator/work"):
        assert [line.split(":")[0] for line in left_behind(before, take_snapshot(traps, ()))] == [
            "processes"
        ]


@pytest.mark.skipif(os.geteuid() != 0, reason="boxes have a user of their own under root only")
def test_a_file_of_a_boxs_user_is_seen_without_a_mark(traps: Traps) -> None:
    before = take_snapshot(traps, ())
    path = Path("/dev/shm") / f"ideator-test-{os.getpid()}"
    with _file(path, uid=sandbox.box_uid()):
        assert left_behind(before, take_snapshot(traps, ())) == [f"shared memory: {path}"]


def test_a_change_of_the_prepared_data_is_seen(
    traps: Traps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path))
    (tmp_path / "labels").write_text("0123")
    before = take_snapshot(traps, ())
    (tmp_path / "labels").write_text("3210")
    assert len(left_behind(before, take_snapshot(traps, ()))) == 1


def test_a_clock_that_was_set_is_seen(traps: Traps) -> None:
    before = take_snapshot(traps, ())
    moved = replace(before, clock_s=before.clock_s - 3600)
    assert left_behind(before, moved) == ["clock: set by -3600 s"]


def test_workers_are_noted_while_they_run() -> None:
    with Workers() as workers:
        words = [sys.executable, "-ISc", "import time; time.sleep(1)", "executor.workers.slot"]
        child = subprocess.Popen(words)
        child.wait()
    assert workers.pids == {child.pid}
