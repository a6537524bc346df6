"""A command of the study: what it says, and when it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from objectives.command import call

from executor.errors import UserError
from executor.processes.processes import is_alive

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_what_a_command_prints_is_returned_and_its_failure_is_one_line() -> None:
    assert call("ideator_rl", "--version").startswith("ideator-rl ")
    with pytest.raises(UserError, match=r"^ideator_rl nothing ended with 2$"):
        call("ideator_rl", "nothing")


def test_a_command_ends_with_the_study_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(
        "import os, time\nprint(os.getpid(), file=open('pid', 'w'), flush=True)\ntime.sleep(600)"
    )
    study = subprocess.Popen(
        [sys.executable, "-c", "from objectives.command import call; call('sleeper')"],
        env={"PYTHONPATH": f"{BENCHMARKS}:{BENCHMARKS.parent}"},
        cwd=tmp_path,
    )
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text()):
        assert study.poll() is None
        time.sleep(0.05)
    study.kill()
    study.wait()
    ends = time.monotonic() + 30
    while is_alive(int(pid.read_text())):
        assert time.monotonic() < ends
        time.sleep(0.05)
