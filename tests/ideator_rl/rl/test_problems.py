"""Which problem a group is about, and what the answers of a mixed step are worth."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray")

from hypothesis import given
from hypothesis import strategies as st

from executor import Outcome, Problem, load_problem
from executor.errors import UserError
from ideator_rl.analysis.metrics_file import append_step
from ideator_rl.rl.objectives.settings import GrpoObjective
from ideator_rl.rl.objectives.signal import SignalSettings
from ideator_rl.rl.objectives.step import Learning
from ideator_rl.rl.problems import LearntProblem, Problems, group_number
from ideator_rl.rl.step_prompts import StepPromptsSettings
from tests.ideator_rl.rl.test_step_metrics import _info
from tests.tiny_problem import make_problem, make_sibling


class Executed:
    """Two baselines that have run; the second earns more by a spread."""

    def __init__(self, problem: Problem, reward: float, spread: float) -> None:
        self.problem, self._reward, self._spread = problem, reward, spread

    def submit_baseline(self, seed: int) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(Outcome("baseline", "completed", self._reward + self._spread * seed))
        return future


def problems(
    folder: Path, weights: dict[str, float], groups: int, staleness: int = 0, spread: float = 0.1
) -> Problems:
    tiny = {
        "one": load_problem(make_problem(folder / "tiny")),
        "two": load_problem(make_sibling(folder / "sibling")),
    }
    each = []
    for name, weight in weights.items():
        learning = Learning(
            GrpoObjective(normalize=False),
            SignalSettings(),
            100,
            str(folder / "store"),
            f"several.{name}",
            (0, 1),
            StepPromptsSettings(),
            problem=name,
            weight=weight,
            comparable=len(weights) > 1,
        )
        executed: Any = Executed(tiny[name], 0.5 if name == "one" else 50.0, spread)
        each.append(LearntProblem(learning, executed))
    return Problems(each, groups, staleness)


def asked(steps: int, groups: int, staleness: int) -> list[tuple[int, int]]:
    """Step and row of every group that a run asks, in order: rows come in turn, and the first step
    asks as many batches more as later ones are ahead."""
    rows = range(groups * (staleness + 1))
    steps_of_batches = [1] * staleness + list(range(1, steps + 1))
    return [
        (step, rows[(batch * groups + place) % len(rows)])
        for batch, step in enumerate(steps_of_batches)
        for place in range(groups)
    ]


@given(steps=st.integers(1, 12), groups=st.integers(1, 5), staleness=st.integers(0, 4))
def test_step_and_row_tell_the_how_manieth_group_is_asked(
    steps: int, groups: int, staleness: int
) -> None:
    found = [group_number(*place, groups, staleness) for place in asked(steps, groups, staleness)]
    assert found == list(range(groups * (steps + staleness)))


@pytest.mark.parametrize(("groups", "staleness"), [(1, 0), (2, 0), (3, 0), (2, 1), (3, 2)])
def test_groups_take_turns_by_weight_over_all_steps(
    tmp_path: Path, groups: int, staleness: int
) -> None:
    found = problems(tmp_path, {"one": 2, "two": 1}, groups, staleness)
    counts = Counter(found.of_group(*place).name for place in asked(30, groups, staleness))
    total = groups * (30 + staleness)
    assert abs(counts["one"] - 2 / 3 * total) < 1 and counts.total() == total
    again = problems(tmp_path, {"one": 2, "two": 1}, groups, staleness)
    places = asked(30, groups, staleness)
    # Whatever was asked before: a step that is done again is about the same.
    assert [again.of_group(*p).name for p in places[::-1]] == [
        found.of_group(*p).name for p in places[::-1]
    ]


def test_a_group_is_asked_what_its_problem_asks(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=2)
    asked_by = {(of := found.of_group(1, row)).name: of.prompt(1, row).text for row in (0, 1)}
    assert "value = 10" in asked_by["one"] and "amount = 10" in asked_by["two"]


def mixed_step() -> tuple[list[str], list[dict[str, Any]], np.ndarray]:
    """Two groups of two problems, whose answers lie mixed; one in each has failed."""
    rewards = {"one": [0.7, 0.6, 0.0], "two": [50.2, 50.1, 0.0]}
    infos = [
        _info(f"{name} {n}", reward, "done" if reward else "train", problem=name)
        | {"status": "completed" if reward else "crashed", "idea_id": f"0001-{name}{n}"}
        for n in range(3)
        for name, reward in ((name, values[n]) for name, values in rewards.items())
    ]
    uids = [f"group of {info['problem']}" for info in infos]
    return uids, infos, np.array([info["reward"] for info in infos])


def test_answers_of_two_problems_are_worth_the_same_where_they_are_as_good(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=2)
    worth = found.advantages(*mixed_step())
    one, two = worth[::2], worth[1::2]
    # Baselines of 0.55 and 50.05: 0.15 and 0.05 above, and a failure.
    assert one == pytest.approx(two, rel=1e-6) and one[0] > one[1] > one[2]


def test_figures_of_several_problems_are_told_apart_and_gains_stand_for_all(
    tmp_path: Path,
) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=2)
    metrics = tmp_path / "metrics.jsonl"
    append_step(metrics, 1, {"two/reward/max": 51.0, "one/reward/max": 0.1, "gain/max": 1.0})
    _, infos, _ = mixed_step()
    figures = found.figures(2, infos, metrics)
    assert figures["one/reward/mean"] == pytest.approx(1.3 / 3)
    assert (figures["one/reward/best"], figures["two/reward/best"]) == (0.7, 51.0)
    assert figures["two/ideas/count"] == 3 and figures["ideas/count"] == 6
    assert figures["one/completed"] == figures["completed"] == pytest.approx(2 / 3)
    assert figures["two/codebases/new"] == 1
    spread = 0.1 / 2**0.5
    assert figures["gain/max"] == pytest.approx(0.15 / spread, rel=1e-6)
    assert figures["gain/mean"] == pytest.approx((2 * 0.2 / spread - 20) / 6, rel=1e-6)
    assert not any(name.startswith("reward/") for name in figures)


def test_new_code_is_counted_over_the_answers_of_all_problems(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=2)
    _, infos, _ = mixed_step()
    # Both problems had the first code, and each counts it; the last answer of one has none.
    infos = [dict(info, content_hash=f"code {n // 2}") for n, info in enumerate(infos)]
    infos[1]["content_hash"] = ""
    assert found.unseen(infos) == 1
    found.advantages(["x"] * 6, infos, np.array([info["reward"] for info in infos]))
    again = [dict(info, idea_id=info["idea_id"].replace("0001", "0002")) for info in infos]
    again[0]["content_hash"] = "another"
    assert found.unseen(again) == 1 / 5
    assert found.unseen([dict(info, content_hash="") for info in infos]) is None


def test_a_step_may_lack_a_problem(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=1)
    _, infos, _ = mixed_step()
    figures = found.figures(1, infos[::2], tmp_path / "metrics.jsonl")
    assert figures["one/ideas/count"] == 3 and "two/ideas/count" not in figures


def test_figures_of_one_problem_have_no_name_before_them(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1}, groups=2)
    _, infos, _ = mixed_step()
    figures = found.figures(1, infos[::2], tmp_path / "metrics.jsonl")
    assert figures["reward/max"] == 0.7 and not any("one/" in name for name in figures)


def test_a_problem_without_noise_ends_the_step_in_one_line(tmp_path: Path) -> None:
    found = problems(tmp_path, {"one": 1, "two": 1}, groups=2, spread=0.0)
    with pytest.raises(UserError, match="the baseline of one earns the same with every seed"):
        found.advantages(*mixed_step())
