"""Training while the next ideas are written and executed, and steps that do not wait for ever."""

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

pytestmark = pytest.mark.timeout(900)
IDEAS = [
    f"[Experiment] A step size of {rate}.\n[Code Changes]\nlearning_rate: 0.005 -> {rate}"
    for rate in (0.05, 0.02, 0.0001)
]
STALE = ("--grpo.staleness", "1", "--answer.max_answer_tokens", "64", "--steps", "3")


def figures(place: Path) -> dict[int, dict[str, float]]:
    return read_steps(place / "store/runs/small/metrics.jsonl")


@pytest.mark.slow
def test_a_step_learns_from_ideas_of_the_model_before_and_waits_less(short_place: Path) -> None:
    teach(short_place / "model", IDEAS)
    run = start(short_place, *STALE)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    steps = figures(short_place)
    assert list(steps) == [1, 2, 3]
    assert all(step["ideas/count"] == 8 and step["lost"] == 0 for step in steps.values())
    assert max(step["completed"] for step in steps.values()) > 0
    # What step 2 learns from was there, or nearly so, when step 1 had been learnt from.
    assert steps[2]["time/generate"] < steps[1]["time/generate"]
    assert set(trials(short_place).values()) == {1}


@pytest.mark.release
def test_a_killed_run_goes_on_with_what_was_in_flight(short_place: Path) -> None:
    teach(short_place / "model", IDEAS)
    first = start(short_place, *STALE)
    wait_for(lambda: last_step(short_place) >= 1, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(short_place), 60)
    second = start(short_place, *STALE)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    assert list(figures(short_place)) == [1, 2, 3]
    assert set(trials(short_place).values()) == {1}


@pytest.mark.release
def test_an_outcome_that_comes_too_late_is_a_timeout_and_its_trial_ends(short_place: Path) -> None:
    teach(short_place / "model", IDEAS)
    words = ("--answer.max_answer_tokens", "64", "--steps", "1", "--grpo.deadline_s", "0.01")
    run = start(short_place, *words)
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    assert figures(short_place)[1]["completed"] == 0 and figures(short_place)[1]["lost"] == 0
    kept = run_of(short_place)
    assert not [key for key in kept.trials() if key.startswith("0001") and kept.outcome(key)]
