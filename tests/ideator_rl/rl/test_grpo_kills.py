"""kill -9 on the parts of a training run: it goes on, nothing finished runs again, nobody stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from ideator_rl.analysis.metrics_file import read_steps
from tests.ideator_rl.rl.killed_runs import (
    TIMEOUT_S,
    last_step,
    processes,
    run_of,
    start,
    trials,
    wait_for,
)
from tests.models import teach

pytestmark = [pytest.mark.release, pytest.mark.timeout(900)]
IDEAS = [
    "<think>Fast.</think>[Experiment] Larger steps.\n[Code Changes]\nlearning_rate: 0.005 -> 0.05",
    "<think>Wider.</think>[Experiment] A wider layer.\n[Code Changes]\nhidden_size: 32 -> 64",
]


@pytest.fixture
def place(short_place: Path) -> Path:
    """A folder with a recipe; the model has two ideas, which take trials."""
    teach(short_place / "model", IDEAS)
    return short_place


def test_a_killed_driver_leaves_nobody_and_the_same_command_goes_on(place):
    first = start(place)
    wait_for(lambda: last_step(place) >= 1, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(place), 60)

    finished = {p: p.read_bytes() for p in (place / "store").rglob("outcome.json")}
    steps = read_steps(place / "store/runs/small/metrics.jsonl")
    second = start(place)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    assert {path: path.read_bytes() for path in finished} == finished
    after = read_steps(place / "store/runs/small/metrics.jsonl")
    assert list(after) == [1, 2]
    assert after[1] == steps[1]
    assert set(trials(place).values()) == {1}
    assert after[2]["completed"] > 0
    wait_for(lambda: not processes(place), 60)


def test_a_killed_trial_worker_is_repeated_and_a_killed_agent_loop_costs_a_restart(place):
    run = start(place, "--steps", "2", "--executor.baseline_seeds", "6")
    wait_for(lambda: processes(place, "ray::run_trial"), 200, run)
    os.kill(processes(place, "ray::run_trial")[0], signal.SIGKILL)
    wait_for(lambda: last_step(place) >= 1, 300, run)
    os.kill(processes(place, "ray::AgentLoopWorker")[0], signal.SIGKILL)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    assert "a process of the run died" in output and "going on after step" in output
    assert list(read_steps(place / "store/runs/small/metrics.jsonl")) == [1, 2]
    kept = run_of(place)
    baselines = [key for key in kept.trials() if key.startswith("baseline")]
    assert [kept.outcome(key).status for key in baselines] == ["completed"] * 6
    assert set(trials(place).values()) == {1}
    wait_for(lambda: not processes(place), 60)
