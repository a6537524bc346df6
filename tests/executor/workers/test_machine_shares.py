"""Two runs on one machine: each has cores of its own while there are enough."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from executor.processes.processes import LINUX
from executor.workers.machine_shares import Shares

CORES = ["0", "1", "2"]
HOLD = """
import sys
from executor.workers.machine_shares import Shares
shares = Shares()
print(shares.take(sys.argv[1], ["0", "1", "2"], 2), flush=True)
sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(not LINUX, reason="names that go with their process are Linux's")


@pytest.fixture
def core() -> str:
    """A kind that no other test has shares of."""
    return f"core-{uuid4().hex}"


def two_held(core: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, core], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "['0', '1']\n"
    return process


def taken(kind: str, number: int) -> list[str]:
    shares = Shares()
    names = shares.take(kind, CORES, number)
    shares.release()
    return names


def test_what_another_process_has_is_taken_last(core: str) -> None:
    with two_held(core) as other:
        assert taken(core, 1) == ["2"]
        assert taken(core, 2) == ["0", "2"]
        assert taken(core, 3) == CORES
        assert taken(f"gpu-{core}", 1) == ["0"], "a GPU is no core"
        other.kill()
    assert taken(core, 2) == ["0", "1"], "what a killed process had is free"


def test_what_the_fewest_runs_have_comes_first(core: str) -> None:
    runs = [Shares() for _ in range(5)]
    assert [run.take(core, CORES, 1) for run in runs] == [["0"], ["1"], ["2"], ["0"], ["1"]]
    for run in runs[:2]:
        run.release()
    # The fourth has core 0 still, the fifth core 1 and the third core 2.
    assert taken(core, 1) == ["0"]
    runs[2].release()
    assert taken(core, 1) == ["2"]
    for run in runs[3:]:
        run.release()


def test_runs_that_begin_at_once_see_each_other(core: str) -> None:
    runs = [Shares() for _ in CORES]
    with ThreadPoolExecutor(len(runs)) as threads:
        begun = [threads.submit(run.take, core, CORES, 1) for run in runs]
    assert sorted(one.result()[0] for one in begun) == CORES
    for run in runs:
        run.release()


def test_two_runs_of_one_process_share_nothing_either(core: str) -> None:
    first, second = Shares(), Shares()
    assert first.take(core, CORES, 2) == ["0", "1"]
    assert second.take(core, CORES, 1) == ["2"]
    first.release()
    assert second.take(core, CORES, 2) == ["0", "1"]
    second.release()
