"""grpo-paper: a loss of tokens, and the best of a run's evaluations with the last beside it."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from executor import Executor, Idea
from executor.data.prepared import prepare_data
from executor.data.script import load_script
from executor.problem.problem import Problem, load_problem
from gym_envs import find_problem
from tests.gym_envs.test_grpo_math import (
    MATH,
    model,  # noqa: F401 (a fixture)
    needs_math,
    read,
    source,  # noqa: F401 (a fixture)
)

GYM_ENVS = Path(__file__).parents[2] / "gym_envs"
FOLDER = GYM_ENVS / "grpo_paper"
evaluate = load_script(FOLDER / "evaluate.py")
prepare = load_script(FOLDER / "prepare.py")

TINY = {
    "data.prepare": "prepare_tiny.py",
    "data.auto": True,
    "resources.gpus": 0,
    "resources.cpus": 1,
    "resources.memory_gb": 2.0,
    "budget.kind": "cpu",
    "budget.seconds": 20.0,
    "hyperparameters.steps": 5,
    "hyperparameters.prompts_per_step": 16,
    "hyperparameters.max_new_tokens": 12,
    "hyperparameters.learning_rate": 1e-3,
    "hyperparameters.weight_decay": 0.1,  # a step without any reward changes the weights, too
    "hyperparameters.micro_batch_size": 32,
    "hyperparameters.accumulation": 2,
}


def copied(folder: Path) -> Path:
    """The problem as it is installed, where what it shares with grpo is files of its own."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """On the small model of grpo-tiny, hardly warmed up, with fewer problems to ask."""
    folder = copied(tmp_path_factory.mktemp("problem") / "grpo_paper")
    script = (GYM_ENVS / "grpo" / "prepare_tiny.py").read_text()
    for whole, less in (("= 1.0, 400, 130, 128", "= 1.0, 2, 2, 128"), ("200, 2_000", "200, 300")):
        assert script.count(whole) == 1
        script = script.replace(whole, less)
    (folder / "prepare_tiny.py").write_text(script)
    return load_problem(folder, TINY)


@pytest.fixture
def trained(tiny: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What train.py has defined when it has ended in this process; it ran in `tmp_path`."""
    for name, text in tiny.codebase.items():
        (tmp_path / name).write_text(text)
    settings = {"SEED": "0", "BUDGET_KIND": "wall", "BUDGET_SECONDS": "300"}
    for name, value in {**settings, "DATA_DIR": str(tiny.data().train)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        return runpy.run_path("train.py")
    finally:
        for name in ("grader", "policy", "rollout", "text", "tiny_gpt", "weights"):
            sys.modules.pop(name, None)


# ----- the facts


def test_the_settings_are_those_of_the_paper() -> None:
    problem = find_problem("grpo-paper")
    assert (problem.file.budget.seconds, problem.file.resources.gpus) == (3600, 1)
    for setting in (
        "steps: int = 20",
        "evaluate_every: int = 2 ",
        "prompts_per_step: int = 128",
        "group_size: int = 8",
        "epochs_per_step: int = 1",
        "micro_batch_size: int = 4",
        "accumulation: int = 16",
        "learning_rate: float = 1e-5",
        "clip_low: float = 0.2",
        "clip_high: float = 0.2",
    ):
        assert f"    {setting}" in problem.codebase["train.py"]


def test_all_but_training_and_serving_is_the_code_of_grpo() -> None:
    paper, ours = find_problem("grpo-paper").codebase, find_problem("grpo").codebase
    assert {name for name in ours if ours[name] != paper[name]} == {"train.py", "serve.py"}


def test_every_token_counts_alike_in_a_long_response_and_in_a_short_one(
    trained: dict[str, Any],
) -> None:
    old_BT = torch.zeros(2, 4)
    new_BT = torch.tensor([[0.0, 0, 0, 0], [0.0, 0, 0, 1.0]], requires_grad=True)
    mask_BT = torch.tensor([[1.0, 0, 0, 0], [1.0, 1, 1, 1]])
    loss = trained["policy_loss"](new_BT, old_BT, torch.tensor([1.0, -1.0]), mask_BT)
    assert loss.item() == pytest.approx(-1 + 3 + np.e)  # no clipping where it would be kinder
    loss = trained["policy_loss"](new_BT, old_BT, torch.tensor([1.0, 1.0]), mask_BT)
    assert loss.item() == pytest.approx(-1 - 3 - 1.2)
    loss.backward()
    assert new_BT.grad.tolist() == [[-1, 0, 0, 0], [-1, -1, -1, 0]]


def test_every_second_step_and_the_last_leave_weights_to_evaluate(
    trained: dict[str, Any], tmp_path: Path
) -> None:
    folders = sorted((tmp_path / "candidate").iterdir())
    assert [folder.name for folder in folders] == ["step-02", "step-04", "step-05"]
    found = [trained["load_policy"](folder, "cpu").state_dict() for folder in folders]
    assert not torch.equal(found[0]["head.weight"], found[1]["head.weight"])
    now = trained["policy"].state_dict()
    assert all(torch.equal(found[2][name], now[name]) for name in now)


def test_all_of_12000_problems_are_for_training_and_the_end_of_a_search() -> None:
    assert prepare.module.math_problems.TRAIN_ROWS == 12_000
    assert load_script(GYM_ENVS / "grpo" / "prepare.py").module.TRAIN_ROWS == 7_500


@needs_math
def test_of_a_folder_with_math_every_problem_has_a_part(
    model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    pytest.importorskip("math_verify")
    pytest.importorskip("datasets")
    folder = tmp_path / "source"
    shutil.copytree(MATH, folder)
    shutil.copytree(model, folder / "model")
    rows = read(MATH / "train.jsonl")
    answered = [json.dumps(row) for row in rows if row["answer"]]  # some of the set have none
    (folder / "train.jsonl").write_text("\n".join(answered))
    parts = {part: tmp_path / part for part in ("train", "held_out", "final")}
    for part in parts.values():
        part.mkdir()
    with prepare.imports():
        prepare.module.prepare(**parts, source=str(folder), secret="a secret")
    train, held_out, final = (len(read(next(part.glob("*.jsonl")))) for part in parts.values())
    assert (held_out, final) == (500, min(500, -(-len(answered) // 16)))
    assert train + final == len(answered)


# ----- the examination


class Answering:
    """A candidate whose model of each step gives the same answer to every problem."""

    def __init__(self, folder: Path, answers: dict[int, str]) -> None:
        self.folder, self.answers = folder, answers

    def ask(self, question: np.ndarray, *, shape: tuple[int, ...], dtype: str, **bounds: int):
        if question.ndim == 1:
            self.step = int(question[0]) if len(question) == 1 else self.step
            return np.empty(shape, dtype)
        responses_BN = np.full(shape, -1, dtype)
        responses_BN[:, :3] = [14, int(self.answers[self.step]), 15]  # such as ">7."
        return responses_BN


@pytest.fixture
def left(tiny: Problem, tmp_path: Path) -> Path:
    """A candidate folder with three evaluations of the model that training starts from."""
    for step in (2, 4, 10):
        shutil.copytree(tiny.data().train / "model", tmp_path / "left" / f"step-{step:02d}")
    return tmp_path / "left"


def examined(candidate: Any, tiny: Problem) -> dict[str, float]:
    with evaluate.imports():
        return evaluate.module.examine(candidate, tiny.data().held_out)


def test_the_best_evaluation_is_reported_and_the_last_beside_it(tiny: Problem, left: Path) -> None:
    rows = (tiny.data().held_out / "problems.jsonl").read_text().splitlines()
    answers = [json.loads(row)["answer"] for row in rows]
    seldom, often = sorted(set(answers), key=answers.count)[:: len(set(answers)) - 1]
    metrics = examined(Answering(left, {2: seldom, 4: often, 10: seldom}), tiny)
    best, last = (answers.count(answer) / len(answers) for answer in (often, seldom))
    assert best > last
    assert metrics == {
        "best_accuracy_at_1": pytest.approx(best),
        "best_accuracy": pytest.approx(best),
        "last_accuracy_at_1": pytest.approx(last),
        "last_accuracy": pytest.approx(last),
        "best_step": 4,
        "evaluations": 3,
    }
    assert tiny.reward(metrics) == metrics["best_accuracy_at_1"]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda left: (left / "serve.py").touch(), "more than the folders of evaluations"),
        (lambda left: (left / "step-04").rename(left / "step-004"), "more than the folders"),
        (lambda left: shutil.rmtree(left), "holds 0 evaluations"),
        (lambda left: more(left, 8), "holds 11 evaluations; 1 to 10 are examined"),
        (lambda left: (left / "step-10" / "serve.py").touch(), "more than the weights"),
        (lambda left: (left / "step-10" / "config.json").write_text("{}"), "differs from the base"),
    ],
)
def test_anything_but_ten_folders_of_weights_is_refused_before_a_question(
    tiny: Problem, left: Path, damage: Any, complaint: str
) -> None:
    damage(left)
    left.mkdir(exist_ok=True)  # where there was too much damage
    candidate = Answering(left, {})  # it knows no answer
    with pytest.raises(ValueError, match=complaint):
        examined(candidate, tiny)


def more(left: Path, count: int) -> None:
    for step in range(20, 20 + count):
        shutil.copytree(left / "step-02", left / f"step-{step}")


# ----- whole trials


@pytest.mark.slow
def test_a_small_model_is_trained_and_each_evaluation_is_its_own(tmp_path: Path) -> None:
    """The last step breaks the model, which the last evaluation shows and the best does not. It
    starts from the model of grpo-tiny, which a machine makes once."""
    folder = copied(tmp_path / "grpo_paper")
    shutil.copy(GYM_ENVS / "grpo" / "prepare_tiny.py", folder)
    problem = load_problem(folder, TINY | {"data.of": "grpo-tiny"})
    text = (
        "[Experiment] Break it at the end.\n[Code Changes]\ntrain.py\n<<<<<<< SEARCH\n"
        "    if step % config.evaluate_every == 0:\n=======\n"
        "    if step == config.steps:\n"
        "        policy.head.weight.data.zero_()\n"
        "    if step % config.evaluate_every == 0:\n>>>>>>> REPLACE\n"
    )
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        baseline = executor.submit_baseline().result()
        (broken,) = executor.execute([Idea("broken", text)])
    assert baseline.completed, baseline.detail
    assert broken.completed, broken.detail
    assert baseline.metrics["evaluations"] == broken.metrics["evaluations"] == 3
    assert baseline.reward == baseline.metrics["best_accuracy_at_1"]
    assert broken.metrics["last_accuracy"] == 0.0
    assert broken.metrics["best_accuracy"] > 0.2
    assert broken.metrics["best_step"] < 5
    for name in ("accuracy", "accuracy_at_1"):
        assert baseline.metrics[f"best_{name}"] >= baseline.metrics[f"last_{name}"]


@pytest.mark.release
def test_a_transformers_model_is_trained_and_examined(
    tmp_path: Path,
    source: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("math_verify")
    pytest.importorskip("datasets")
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    folder = copied(tmp_path / "grpo_paper")
    script = folder / "math_problems.py"
    script.write_text(script.read_text().replace('"max_new_tokens": 1024', '"max_new_tokens": 4'))
    sizes = {"steps": 3, "prompts_per_step": 2, "group_size": 4, "max_new_tokens": 4}
    small = {f"hyperparameters.{name}": size for name, size in sizes.items()}
    problem = load_problem(folder, {"resources.gpus": 0, "resources.cpus": 1, **small})
    prepare_data(problem.name, folder / "prepare.py", str(source))
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        outcome = executor.submit_baseline().result()
        log = executor.run.log("baseline")
    assert outcome.completed, outcome.detail
    assert outcome.metrics["evaluations"] == 2
    assert "no vLLM or no GPU" in log and "stopped after step 3" in log
