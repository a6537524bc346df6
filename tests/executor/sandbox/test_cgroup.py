"""Control groups: made, counted, emptied and removed, on this machine's kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor.processes.owned_names import owned_name
from executor.sandbox import cgroup
from executor.sandbox.cgroup import ControlGroup, create, remove_own, remove_stale


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = create(owned_name("test"), memory_mib=64, processes=8)
    if made is None:
        pytest.skip("control groups cannot be made here")
    yield made
    made.remove()
    assert not any(folder.exists() for folder in made.folders.values())


def run(group: ControlGroup, code: str) -> int:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", code], preexec_fn=group.enter, stderr=subprocess.DEVNULL
    )
    return process.wait(30)


def test_cpu_time_counts_children_that_nobody_waited_for(group: ControlGroup) -> None:
    spin = "import os, time\nif os.fork() == 0:\n while time.process_time() < 0.3: pass\n"
    assert run(group, f"import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{spin}") == 0
    deadline = time.monotonic() + 10
    while group.cpu_seconds() < 0.3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert 0.3 < group.cpu_seconds() < 2


def test_a_process_that_takes_too_much_memory_is_ended(group: ControlGroup) -> None:
    assert not group.ran_out_of_memory()
    assert run(group, "x = bytearray(200 * 2**20)") == -9
    assert group.ran_out_of_memory() and 32 < group.peak_mib() < 65


def test_no_more_processes_start_than_are_allowed(group: ControlGroup) -> None:
    code = (
        "import os, time\nfor _ in range(20):\n if os.fork() == 0:\n  time.sleep(5); os._exit(0)\n"
    )
    begun = time.monotonic()
    assert run(group, code) == 1
    assert time.monotonic() - begun < 5


def test_removing_a_group_ends_what_is_left_in_it(group: ControlGroup) -> None:
    left = subprocess.Popen(["sleep", "600"], preexec_fn=group.enter)
    group.remove()
    assert left.wait(10) == -9


def test_the_group_of_a_process_that_is_gone_is_stale(group: ControlGroup) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    stale = create(owned_name("0", ended.pid), memory_mib=64, processes=8)
    assert stale
    remove_stale()
    assert not any(folder.exists() for folder in stale.folders.values())
    assert all(folder.exists() for folder in group.folders.values())


def test_a_stale_group_is_found_in_the_group_of_another_session(group: ControlGroup) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    session = group.folders["memory"].parent / f"session-{os.getpid()}"
    stale = session / owned_name("0", ended.pid)
    stale.mkdir(parents=True)
    try:
        remove_stale()
        assert session.exists() and not stale.exists()
    finally:
        if stale.exists():
            stale.rmdir()
        session.rmdir()


@pytest.mark.parametrize("in_use", [True, False])
def test_a_group_of_another_pid_namespace_is_let_alone(group: ControlGroup, in_use: bool) -> None:
    if in_use:
        busy = subprocess.Popen(["sleep", "600"], preexec_fn=group.enter)
    code = "from executor.sandbox.cgroup import remove_stale; remove_stale()"
    apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    try:
        # Its own process group, which a signal to process 0 would end.
        done = subprocess.run(apart, start_new_session=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert all(folder.exists() for folder in group.folders.values())
    assert not in_use or busy.poll() is None


def test_a_group_that_was_in_use_for_too_long_is_removed_later(
    group: ControlGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = subprocess.Popen(["sleep", "600"], preexec_fn=group.enter)
    with monkeypatch.context() as patch:
        patch.setattr(cgroup, "_TRIES", 1)
        patch.setattr(os, "kill", lambda *_: None)
        group.remove()
    assert any(folder.exists() for folder in group.folders.values())
    remove_stale()
    assert busy.poll() is None, "its maker lives: the group is not stale"
    remove_own()
    assert busy.wait(10) == -9
    assert not any(folder.exists() for folder in group.folders.values())


# The layout of the unified hierarchy, as a kernel lays it out; what it enforces is the kernel's.
V2 = {
    "cgroup.controllers": "cpu memory pids\n",
    "cgroup.subtree_control": "cpu memory pids\n",
    "cgroup.procs": "",
}


def test_a_unified_hierarchy_is_used_where_it_offers_controllers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in V2.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "user.slice").mkdir()
    (tmp_path / "user.slice" / "cgroup.subtree_control").write_text("\n")
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "_own_paths", lambda: {"": "/user.slice"})
    cgroup._parents.cache_clear()
    try:
        version, parents = cgroup._parents() or (0, {})
        assert version == 2 and set(parents.values()) == {tmp_path}
    finally:
        cgroup._parents.cache_clear()


def test_a_unified_group_is_read_by_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\n")
    (tmp_path / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 1\n")
    (tmp_path / "memory.current").write_text(f"{5 * 2**20}\n")
    group = ControlGroup(2, dict.fromkeys(("memory", "pids", "cpuacct"), tmp_path))
    assert (group.cpu_seconds(), group.ran_out_of_memory(), group.peak_mib()) == (1.5, True, 5.0)
    (tmp_path / "memory.peak").write_text(f"{9 * 2**20}\n")
    assert group.peak_mib() == 9.0
