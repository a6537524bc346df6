"""Process trees: every process is charged, and none is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from executor.processes import processes
from executor.sandbox.watch import WatchedRun
from tests.executor.trials import is_alive

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

# The host of one watched command, a process of its own: `end_tree` ends all its children.
HOST = """
import dataclasses, json, os, sys
from pathlib import Path
from executor.processes import processes
from executor.sandbox.meter import Meter
from executor.sandbox.watch import TimeLimits, watch
processes.adopt_orphans()
folder, kind, seconds, wall_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
command = [sys.executable, "-S", "-c", sys.argv[5]]
process = processes.start(command, cwd=Path(folder), env=dict(os.environ), output=2)
try:
    limits = TimeLimits(kind, seconds, startup_s=60.0, wall_s=wall_s)
    run = watch(process, limits, meter=Meter(Path.cwd(), None, None, False))
finally:
    processes.end_tree(process)
print(json.dumps(dataclasses.asdict(run) | {"left": processes.descendants()}))
"""
SPIN = "def spin(s):\n while sum(os.times()[:2]) < s: pass\n"
CHILDREN = "import os, time, signal\n" + SPIN


# A spared server whose forks have children of their own, which move to the host when a fork ends.
SERVER = """
import os, signal, time
from executor.processes import processes
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
processes.adopt_orphans()
(requests, ask), (answers, answer) = os.pipe(), os.pipe()
if (server := os.fork()) == 0:
    os.close(ask)
    signal.signal(signal.SIGCHLD, reap)
    while os.read(requests, 1):
        if os.fork() == 0:
            for _ in range(3):
                if os.fork():
                    time.sleep(600)
            os.write(answer, b"%8d" % os.getpid())
            time.sleep(600)
    os._exit(0)
processes.spare(server)
left = []
for _ in range(2000):
    os.write(ask, b"?")
    youngest = int(os.read(answers, 8))
    processes.end_tree()
    left += processes.descendants() + [youngest] * processes.is_alive(youngest)
os.kill(server, signal.SIGKILL)
print(left)
"""


def start_host(
    folder: Path, code: str, kind: str = "cpu", seconds: float = 30.0, wall_s: float = 30.0
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOST, str(folder), kind, str(seconds), str(wall_s), code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def watched(
    folder: Path, code: str, kind: str = "cpu", seconds: float = 30.0, wall_s: float = 30.0
) -> WatchedRun:
    host = start_host(folder, code, kind, seconds, wall_s)
    out, _ = host.communicate(timeout=60)
    run = json.loads(out)
    assert run.pop("left") == []
    return WatchedRun(**run)


def pids(folder: Path, count: int = 1) -> list[int]:
    """The processes that told their number in a file, once there are `count` of them."""
    while len(found := [int(p.name) for p in folder.iterdir() if p.name.isdigit()]) < count:
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    """Whether a process is gone within two seconds."""
    deadline = time.monotonic() + 2
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_the_exit_code_is_told_and_the_cpu_time_charged(tmp_path: Path) -> None:
    run = watched(tmp_path, f"import os\n{SPIN}spin(0.3)\nos._exit(7)")
    assert (run.exit_code, run.reason) == (7, "")
    assert 0.25 < run.charged_s < 0.6 and run.startup_s < 1 and run.wall_s > 0.25


def test_wall_time_is_charged_to_a_sleeper(tmp_path: Path) -> None:
    run = watched(tmp_path, "import time\ntime.sleep(0.4)", kind="wall")
    assert run.exit_code == 0 and 0.4 <= run.charged_s < 3


def test_cpu_time_is_not_charged_to_a_sleeper(tmp_path: Path) -> None:
    run = watched(tmp_path, "import time\ntime.sleep(0.4)")
    assert run.exit_code == 0 and run.charged_s < 0.2


def test_all_children_of_a_process_are_charged(tmp_path: Path) -> None:
    burn = "for _ in range(3):\n if os.fork() == 0: spin(600)\ntime.sleep(600)"
    run = watched(tmp_path, CHILDREN + burn, seconds=0.5)
    assert run.exit_code is None and "0.5 cpu seconds" in run.reason
    assert 0.5 < run.charged_s < 1.2


def test_children_that_have_ended_stay_charged(tmp_path: Path) -> None:
    burn = "while True:\n if os.fork() == 0:\n  spin(0.1)\n  os._exit(0)\n os.wait()"
    run = watched(tmp_path, CHILDREN + burn, seconds=0.5)
    assert run.exit_code is None and "0.5 cpu seconds" in run.reason
    assert 0.5 < run.charged_s < 1.2


def test_children_that_nobody_waits_for_stay_charged(tmp_path: Path) -> None:
    daemon = "if os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0: spin(0.1)\n  os._exit(0)\n"
    burn = f"while True:\n {daemon} os.wait(); time.sleep(0.1)"
    run = watched(tmp_path, CHILDREN + burn, seconds=0.5)
    assert run.exit_code is None and "0.5 cpu seconds" in run.reason


def test_children_whose_end_is_ignored_stay_charged(tmp_path: Path) -> None:
    burn = (
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "while True:\n if os.fork() == 0:\n  spin(0.2)\n  os._exit(0)\n time.sleep(0.3)"
    )
    run = watched(tmp_path, CHILDREN + burn, seconds=0.5, wall_s=5)
    assert run.exit_code is None and "0.5 cpu seconds" in run.reason


@pytest.mark.parametrize("end", ["spin(600)", "time.sleep(600)", "os._exit(0)"])
def test_a_whole_tree_ends_whatever_it_ignores(tmp_path: Path, end: str) -> None:
    code = (
        "for name in (1, 2, 3, 13, 14, 15): signal.signal(name, signal.SIG_IGN)\n"
        "for _ in range(2):\n if os.fork() == 0: os.setsid()\n"
        "open(str(os.getpid()), 'w').close()\n"
        "while len(os.listdir('.')) < 4: time.sleep(0.01)\n"
    )
    watched(tmp_path, CHILDREN + code + end, kind="wall", seconds=1.0)
    started = pids(tmp_path, 4)
    assert len(started) == 4 and not any(map(is_alive, started))


@pytest.mark.slow  # the window is narrow: one end in a thousand met it
def test_what_loses_its_parent_while_a_tree_ends_is_ended_too() -> None:
    done = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_process_ends_with_the_host_that_was_killed(tmp_path: Path) -> None:
    host = start_host(tmp_path, "import os, time\nopen(str(os.getpid()), 'w')\ntime.sleep(600)")
    (pid,) = pids(tmp_path)
    os.kill(host.pid, signal.SIGKILL)
    host.communicate()
    assert gone(pid)


def test_descendants_are_all_living_generations(tmp_path: Path) -> None:
    code = "import os, time\nos.fork()\nopen(str(os.getpid()), 'w')\ntime.sleep(600)"
    host = start_host(tmp_path, code)
    try:
        started = pids(tmp_path, 2)
        assert sorted(processes.descendants(host.pid)) == sorted(started)
    finally:
        for pid in processes.descendants(host.pid):
            os.kill(pid, signal.SIGKILL)
        host.communicate()
    assert processes.descendants(host.pid) == []


def test_a_process_that_waits_to_be_reaped_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.is_alive(process.pid)
    process.kill()
    while processes.is_alive(process.pid):
        time.sleep(0.01)
    assert process.returncode is None and process.wait() == -signal.SIGKILL
    assert not processes.is_alive(process.pid)


@pytest.mark.parametrize(
    ("work", "code"),
    [
        ("None", 0),
        ("1 / 0", 1),
        ("sys.exit(7)", 1),
        ("os.write(99, b'x')", 1),
        ("print('x' * 100_000, file=full, flush=True)", 1),
        ("os.dup2(full.fileno(), 2) and 1 / 0", 1),
    ],
)
def test_a_fork_never_comes_back_whatever_its_work_raises(work: str, code: int) -> None:
    script = (
        "import os, sys\nfrom executor.processes.processes import fork\n"
        "full = open('/dev/full', 'w')\n"
        f"pid = fork(lambda: {work})\n"
        "print(os.getpid(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)\n"
        "os._exit(0)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    lines = found.stdout.splitlines()
    assert len(lines) == 1 and lines[0].endswith(f" {code}")
