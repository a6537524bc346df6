"""The problem `digits`: its data, its baseline, and what the executor makes of its ideas."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import yaml

from executor import Executor, Idea, Outcome, Problem, load_problem

FOLDER = Path(__file__).parents[2] / "gym_envs" / "digits"
FAILING = {
    "transposed-layer": "crashed",
    "divergence": "crashed",
    "endless-training": "timeout",
    "batch-normalisation": "not_implemented",
    "stale-value": "not_implemented",
    "patched-examination": "rejected",
    "top-two-labels": "rejected",
}


@pytest.fixture(scope="module")
def prepare() -> Callable[..., None]:
    spec = importlib.util.spec_from_file_location("prepare_digits", FOLDER / "prepare.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.prepare


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEATOR_RL_DATA", str(tmp_path_factory.mktemp("data")))
        yield load_problem(FOLDER)


@pytest.fixture(scope="module")
def executor(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Executor(problem, store=tmp_path_factory.mktemp("store"), slots=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def baseline(executor: Executor) -> Outcome:
    return executor.submit_baseline(seed=0).result()


def outcome_of(executor: Executor, changes: str) -> Outcome:
    idea = Idea(uuid4().hex, f"[Experiment] A test.\n[Code Changes]\n{changes}")
    return executor.execute([idea])[0]


def library_changes(problem: Problem, *idea_ids: str) -> str:
    ideas = {idea["id"]: idea for idea in yaml.safe_load(problem.library.read_text())}
    texts = []
    for idea_id in idea_ids:
        text = ideas[idea_id]["changes"]
        for name, values in ideas[idea_id].get("params", {}).items():
            text = text.replace(f"{{{name}}}", str(values[0]))
        texts.append(text)
    return "\n".join(texts)


def prepared(prepare: Callable[..., None], folder: Path) -> dict[str, np.ndarray]:
    for name in ("train", "held_out"):
        (folder / name).mkdir(parents=True)
    prepare(folder / "train", folder / "held_out")
    return {p.relative_to(folder).as_posix(): np.load(p) for p in folder.rglob("*.npy")}


def test_the_split_is_the_same_every_time(prepare: Callable[..., None], tmp_path: Path) -> None:
    first, second = prepared(prepare, tmp_path / "a"), prepared(prepare, tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_split_is_disjoint_complete_and_stratified(
    prepare: Callable[..., None], tmp_path: Path
) -> None:
    data = prepared(prepare, tmp_path / "data")
    train = {image.tobytes() for image in data["train/images.npy"]}
    held_out = {image.tobytes() for image in data["held_out/images.npy"]}
    assert (len(train), len(held_out), len(train & held_out)) == (400, 1397, 0)
    assert set(np.bincount(data["train/labels.npy"])) == {40}
    assert np.ptp(np.bincount(data["held_out/labels.npy"])) <= 10
    assert data["train/images.npy"].dtype == np.float32
    assert (data["train/images.npy"].min(), data["train/images.npy"].max()) == (0, 16)


def test_another_table_is_refused_in_one_line(prepare: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(ValueError, match=r"iris\.csv is not scikit-learn's digits"):
        prepare(tmp_path, tmp_path, str(tmp_path / "iris.csv"))


def test_the_baseline_leaves_room_above_and_is_within_its_budget(
    baseline: Outcome, problem: Problem
) -> None:
    assert baseline.completed, baseline.detail
    assert 0.88 < baseline.reward == baseline.metrics["accuracy"] < 0.93
    assert baseline.charged_s < problem.file.budget.seconds / 2


def test_the_same_seed_gives_the_same_accuracy(
    problem: Problem, baseline: Outcome, tmp_path: Path
) -> None:
    with Executor(problem, store=tmp_path, slots=1) as other:
        again = other.submit_baseline(seed=0).result()
    assert not again.cached
    assert again.metrics == baseline.metrics


def test_another_seed_changes_little(executor: Executor, baseline: Outcome) -> None:
    other = executor.submit_baseline(seed=1).result()
    assert 0 < abs(other.reward - baseline.reward) < 0.02


def test_good_ideas_add_up(executor: Executor, problem: Problem, baseline: Outcome) -> None:
    single = outcome_of(executor, library_changes(problem, "momentum"))
    names = ("momentum", "hidden-size", "affine-augmentation", "cosine-schedule")
    several = outcome_of(executor, library_changes(problem, *names))
    assert single.reward > baseline.reward + 0.02
    assert several.reward > single.reward + 0.015


@pytest.mark.parametrize(("idea_id", "status"), FAILING.items())
def test_a_failing_idea_fails_as_expected(
    executor: Executor, problem: Problem, idea_id: str, status: str
) -> None:
    outcome = outcome_of(executor, library_changes(problem, idea_id))
    assert (outcome.status, outcome.reward) == (status, 0.0), outcome.detail
    assert outcome.detail


def test_an_answer_of_the_wrong_shape_is_rejected(executor: Executor) -> None:
    outcome = outcome_of(
        executor,
        "model.py\n<<<<<<< SEARCH\n    return probs_KBC.mean(axis=0).argmax(axis=1)\n=======\n"
        "    return probs_KBC.mean(axis=0).argmax(axis=1)[:-1]\n>>>>>>> REPLACE\n",
    )
    assert outcome.status == "rejected"
    assert "otherwise than int64[256]" in outcome.detail
