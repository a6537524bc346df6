"""Trials and training on the same GPUs: all of a step is written before its first trial."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from executor.errors import UserError
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.rl.train_recipe import read_train_recipe
from ideator_rl.rl.turns import Turns
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, start, trials
from tests.models import teach


def test_no_answer_runs_before_all_are_written_and_the_model_sleeps() -> None:
    async def take() -> list[str]:
        turns, said = Turns(), []

        async def answer(number: int) -> None:
            await asyncio.sleep(0.01 * number)
            said.append("written")
            await turns.begin_trial(1)
            said.append("runs")

        async def trainer() -> None:
            await turns.written(1, 3)
            said.append("sleeps")
            await turns.let_run(1)

        # An answer of the next step waits for that one's turn.
        later = asyncio.create_task(turns.begin_trial(2))
        await asyncio.gather(trainer(), *map(answer, range(3)))
        assert not later.done()
        later.cancel()
        return said

    assert asyncio.run(take()) == [*3 * ["written"], "sleeps", *3 * ["runs"]]


@pytest.mark.parametrize("key", ["answer.max_turns", "grpo.staleness"])
def test_what_writes_answers_during_trials_is_refused(recipe: Path, key: str) -> None:
    words = {"executor.workers.kind": "local", key: "2"}
    with pytest.raises(UserError, match=f"take turns.*set {key.split('.')[0]}|set .*{key}"):
        read_train_recipe(recipe, words)


@pytest.mark.release
@pytest.mark.timeout(900)
def test_a_run_trains_with_trials_in_slots_of_this_machine(short_place: Path) -> None:
    teach(
        short_place / "model",
        [
            f"[Experiment] A step size of {rate}.\n[Code Changes]\nlearning_rate: 0.005 -> {rate}"
            for rate in (0.05, 0.02, 0.0001)
        ],
    )
    run = start(short_place, "--executor.workers.kind", "local", "--answer.max_answer_tokens", "64")
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    steps = read_steps(short_place / "store/runs/small/metrics.jsonl")
    assert [step["ideas/count"] for step in steps.values()] == [8, 8]
    assert max(step["completed"] for step in steps.values()) > 0
    assert set(trials(short_place).values()) == {1}


@pytest.mark.release
@pytest.mark.timeout(900)
def test_a_baseline_that_fails_ends_the_run_before_the_model_is_loaded(short_place: Path) -> None:
    by_turns = ("--executor.workers.kind", "local")
    run = start(short_place, *by_turns, "--problem.budget.seconds", "0.001")
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 2 and "Traceback" not in output
    assert "the baseline of digits did not complete (timeout" in output
    assert "step " not in output
