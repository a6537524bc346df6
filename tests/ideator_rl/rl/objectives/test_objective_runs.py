"""Training with an objective: one of ours, and one of an installed package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

from ideator_rl.analysis.metrics_file import read_steps
from tests.ideator_rl.command_line import in_process
from tests.ideator_rl.rl.killed_runs import TIMEOUT_S, run_of, start
from tests.models import teach

pytestmark = pytest.mark.timeout(900)
# Each is executed, and no two earn the same.
IDEAS = [
    f"[Experiment] A step size of {rate}.\n[Code Changes]\nlearning_rate: 0.005 -> {rate}"
    for rate in (0.05, 0.02, 0.0001)
]
MINE = """
import numpy as np

def told(group, *, folder, answer):
    with open(f"{folder}/groups", "a") as file:
        file.write(f"{group.size} {group.completed_N.sum()} {group.ran_before_N.sum()}\\n")
    return np.full(group.size, answer) if answer else group.rewards_N - group.rewards_N.mean()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """Installs a package with an objective, and says how a recipe names it."""
    site = tmp_path / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine.py").write_text(MINE)
    (site / "mine-1.0.dist-info/METADATA").write_text("Name: mine\nVersion: 1.0\n")
    entry = "[ideator_rl.objectives]\ntold = mine:told\n"
    (site / "mine-1.0.dist-info/entry_points.txt").write_text(entry)

    def overrides(answer: str) -> tuple[str, ...]:
        options = f"{{folder: {tmp_path}, answer: {answer}}}"
        return (
            *("--objective.kind", "plugin", "--objective.name", "told"),
            *("--objective.options", options),
        )

    return overrides


@pytest.mark.release
def test_max_at_k_with_duplicates_as_failures_learns_where_groups_differ(short_place: Path) -> None:
    teach(short_place / "model", IDEAS)
    words = ("--objective.kind", "max_at_k", "--objective.k", "2", "--signal.duplicates", "fail")
    run = start(short_place, *words, "--answer.max_answer_tokens", "64", "--steps", "3")
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    steps = read_steps(short_place / "store/runs/small/metrics.jsonl")
    assert list(steps) == [1, 2, 3] and steps[1]["codebases/new"] > 0
    # What is reported is the measured reward, not the signal.
    rewards = [
        o.reward for key in run_of(short_place).trials() if (o := run_of(short_place).outcome(key))
    ]
    assert max(step["reward/max"] for step in steps.values()) <= max(rewards)
    assert steps[1]["actor/grad_norm"] > 0


@pytest.mark.release
def test_somebody_elses_objective_trains_from_an_installed_package(
    short_place: Path, installed: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    teach(short_place / "model", IDEAS)
    site = str(tmp_path / "site")
    words = ("--answer.max_answer_tokens", "64", "--steps", "1")
    run = start(short_place, *installed("0"), *words, PYTHONPATH=f"{Path.cwd()}:{site}")
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, output
    groups = [line.split() for line in (tmp_path / "groups").read_text().splitlines()]
    assert groups and all(size == "4" for size, *_ in groups)


@pytest.mark.release
def test_an_objective_that_gives_no_numbers_ends_the_run_in_one_line(
    short_place: Path, installed: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    teach(short_place / "model", IDEAS)
    site = str(tmp_path / "site")
    words = ("--answer.max_answer_tokens", "64", "--steps", "1")
    run = start(short_place, *installed(".nan"), *words, PYTHONPATH=f"{Path.cwd()}:{site}")
    output, _ = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 2 and "Traceback" not in output
    [line] = [text for text in output.splitlines() if text.startswith("ideator-rl: ")]
    assert "plugin told gave an advantage that is not a finite number" in line
    assert "the same command goes on from the last checkpoint" in line


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--objective.kind", "max_at_k", "--objective.k", "5"), "objective.k: the best of 5"),
        (("--objective.kind", "best"), "objective.kind: expected one of grpo, max_at_k, entropic"),
        (("--objective.kind", "plugin", "--objective.name", "x"), "no objective 'x' is installed"),
        (("--grpo.normalize", "false"), "grpo.normalize: unknown key"),
        (("--signal.duplicates", "drop"), "signal.duplicates: expected one of keep, fail, split"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(
    recipe: Path, words: tuple[str, ...], line: str
) -> None:
    told = in_process(recipe.parent, "train", "--config", str(recipe), *words)
    assert told.code == 2 and line in told.err and told.out == ""
    assert told.err.startswith("ideator-rl: ") and told.err.count("\n") == 1
