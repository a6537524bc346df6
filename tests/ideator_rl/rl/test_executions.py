"""A training that ends after so many executions of different codebases."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.rl.checkpoints import last_step
from ideator_rl.rl.objectives.step import executed_by, first_steps
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, start
from tests.models import teach

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
IDEAS = [
    f"[Experiment] A step size of {rate}.\n[Code Changes]\nlearning_rate: 0.005 -> {rate}"
    for rate in (0.05, 0.02, 0.0001)
]


def test_training_ends_with_the_step_of_the_last_execution_and_keeps_its_model(
    short_place: Path,
) -> None:
    teach(short_place / "model", IDEAS)
    words = ("--steps", "9", "--executions", "2", "--checkpoint.every", "5")
    for _ in range(2):  # the second time there is nothing to do
        process = start(short_place, *words)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, output
        steps = list(read_steps(short_place / "store/runs/small/metrics.jsonl"))
        ran = first_steps(str(short_place / "store"), "small")
        assert executed_by(steps[-1], ran) >= 2 > executed_by(steps[-1] - 1, ran)
        assert last_step(short_place / "store/runs/small/checkpoints") == steps[-1] < 9
        assert (short_place / "store/runs/small/model/model.safetensors").is_file()
    assert "begins" not in output
