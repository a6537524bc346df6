"""kill -9 at any moment, then the same again: nothing is lost, nothing is left, all is filled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from executor import Problem, Store
from executor.processes.owned_names import PREFIX, has_no_owner
from executor.processes.processes import descendants
from tests.executor.runs import examined, idea, outcome_files, tiny, wait_until
from tests.executor.trials import all_gone

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

IDEAS, SLOTS, KILLS = 12, 2, 7
# Seconds that no other sleep on this machine lasts.
LONG = 600 + os.getpid() / 2**22
CONTROLLER = """
import sys
from executor import Executor, load_problem
from tests.executor.runs import idea
problem, store, count, sleep, sandbox = sys.argv[1:]
batch = [idea(f"i{n:02}", 20 + n, sleep=float(sleep)) for n in range(int(count) + 3)]
with Executor(
    load_problem(problem),
    store=store,
    slots=2,
    max_ideas=int(count),
    period_s=0.1,
    sandbox=sandbox,
) as executor:
    print("ready", flush=True)
    outcomes = executor.execute(batch)
print(*(outcome.status for outcome in outcomes), flush=True)
"""


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    (tmp_path / "tmp").mkdir()
    return tiny(tmp_path / "tiny")


def start(
    problem: Problem,
    tmp_path: Path,
    sleep: float,
    store: str = "store",
    sandbox: str = "strict",
) -> subprocess.Popen[str]:
    """A controller that has its executor open; every process of it knows the folder `tmp`."""
    arguments = [str(problem.folder), str(tmp_path / store), str(IDEAS), str(sleep), sandbox]
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def no_controller_is_left() -> Iterator[None]:
    yield
    while started:
        started.pop().kill()


def test_nothing_is_lost_and_nothing_finished_runs_again(problem: Problem, tmp_path: Path) -> None:
    rng = random.Random(7)
    store = tmp_path / "store"
    kept: dict[str, bytes] = {}
    done: Counter[int] = Counter()
    for _ in range(KILLS):
        process = start(problem, tmp_path, sleep=0.25)
        time.sleep(rng.uniform(0.0, 0.6))
        process.kill()
        process.communicate()
        assert all_gone(tmp_path / "tmp"), "no process outlives its controller for long"
        now = outcome_files(store)
        assert {name: now[name] for name in kept} == kept
        # What was finished at the last kill has not been examined since.
        counts = Counter(examined(problem))
        for name in kept:
            value = 20 + int(name.removeprefix("i"))
            assert counts[value] == done[value]
        kept, done = now, counts
    assert len(kept) < IDEAS

    process = start(problem, tmp_path, sleep=0.25)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert Counter(out.split()) == {"completed": IDEAS, "cancelled": 3}
    now = outcome_files(store)
    assert len(now) == IDEAS and {name: now[name] for name in kept} == kept
    rewards = {json.loads(text)["reward"] for text in now.values()}
    assert rewards == {20.0 + int(name.removeprefix("i")) for name in now}
    # Only what a kill cut off between its examination and its last file was examined again.
    counts = Counter(examined(problem))
    assert set(counts) == rewards and counts.total() <= IDEAS + KILLS * SLOTS
    run = Store(store).run("default")
    assert sorted(e["key"] for e in run.events() if e["event"] == "finished") == sorted(now)
    assert all_gone(tmp_path / "tmp")


def test_a_trial_that_was_kept_before_the_kill_is_not_run_for_its_outcome(
    problem: Problem, tmp_path: Path
) -> None:
    process = start(problem, tmp_path, sleep=0)
    process.communicate(timeout=60)
    once = examined(problem)
    for path in (tmp_path / "store").glob("runs/*/ideas/*/outcome.json"):
        # As after a kill between the result and the outcome, which are two files.
        path.unlink()
    out, _ = start(problem, tmp_path, sleep=0).communicate(timeout=60)
    assert Counter(out.split()) == {"completed": IDEAS, "cancelled": 3}
    assert examined(problem) == once
    outcomes = [json.loads(text) for text in outcome_files(tmp_path / "store").values()]
    assert not any(outcome["cached"] for outcome in outcomes)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupt_ends_a_run_at_once_and_keeps_what_is_finished(
    problem: Problem, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(problem, tmp_path, sleep=0.5)
    wait_until(lambda: outcome_files(tmp_path / "store"))
    begun = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert all_gone(tmp_path / "tmp")
    assert time.monotonic() - begun < 3
    assert process.returncode != 0
    kept = outcome_files(tmp_path / "store")
    assert 0 < len(kept) < IDEAS
    if number == signal.SIGINT:
        assert list((tmp_path / "tmp").iterdir()) == []
    out, _ = start(problem, tmp_path, sleep=0.5).communicate(timeout=60)
    assert Counter(out.split()) == {"completed": IDEAS, "cancelled": 3}
    now = outcome_files(tmp_path / "store")
    assert {name: now[name] for name in kept} == kept


def kill_controller_and_slots(process: subprocess.Popen[str]) -> None:
    slots = [
        pid
        for pid in descendants(process.pid)
        if b"workers.slot" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    wait_until(lambda: all(descendants(slot) for slot in slots))
    for pid in (process.pid, *slots):
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def test_locked_in_training_does_not_survive_its_controller_and_slots(
    problem: Problem, tmp_path: Path
) -> None:
    process = start(problem, tmp_path, sleep=LONG)
    wait_until(lambda: sleeps() >= SLOTS)
    kill_controller_and_slots(process)
    wait_until(lambda: sleeps() == 0)
    # The next run on this machine removes the rest: folders and control groups.
    following = start(problem, tmp_path, sleep=0, store="another")
    _, err = following.communicate(timeout=60)
    assert following.returncode == 0, err
    assert all_gone(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []
    groups = Path("/sys/fs/cgroup").rglob(f"{PREFIX}*")
    assert not [group for group in groups if has_no_owner(group.name)]


def test_open_training_that_survives_ends_with_the_next_run(
    problem: Problem, tmp_path: Path
) -> None:
    process = start(problem, tmp_path, sleep=LONG, sandbox="none")
    wait_until(lambda: sleeps() >= SLOTS)
    kill_controller_and_slots(process)
    start(problem, tmp_path, sleep=0, store="another").communicate(timeout=60)
    assert all_gone(tmp_path / "tmp") and sleeps() == 0


def sleeps() -> int:
    """Trials of ours that sleep, in whatever box."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            count += path.read_bytes() == f"sleep\0{LONG}\0".encode()
    return count


def test_ideas_have_different_values() -> None:
    assert idea("a", 20).text != idea("a", 21).text
