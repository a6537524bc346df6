"""What a training on several problems imitates from the first step on, and of which of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from executor import Executor, Idea, Problem
from executor.errors import UserError
from executor.store.runs import Store
from ideator_rl.rl.initial_model import examples_for
from ideator_rl.rl.objectives.imitated_run import keep_examples
from ideator_rl.rl.objectives.imitation import ImitationSettings
from ideator_rl.rl.parts import Part, open_parts
from ideator_rl.rl.train_recipe import LearntEnvSettings, TrainRecipe
from ideator_rl.run_parts import keep_part
from tests.tiny_problem import larger, make_problem, make_sibling

IDEAS = {"tiny": larger(12), "sibling": larger(13).replace("value", "amount")}


def execute(store: Path, problem: Problem, run: str) -> None:
    with Executor(problem, store=store, run=run, slots=1, sandbox="best-effort") as executor:
        assert executor.submit(Idea("a", IDEAS[problem.name])).result().completed


@pytest.fixture
def parts(tmp_path: Path) -> list[Part]:
    """Of a training, beside whose run there are searches, and a training on the same problems."""
    envs = [make_problem(tmp_path / "tiny"), make_sibling(tmp_path / "sibling")]
    recipe = TrainRecipe(
        env="several", run="new", envs=tuple(LearntEnvSettings(str(folder)) for folder in envs)
    )
    parts = open_parts(recipe)
    store = Store(tmp_path / "store")
    for part in parts:
        name = part.problem.name
        execute(tmp_path / "store", part.problem, f"old.{name}")
        keep_part(store.run("old"), store.run(f"old.{name}"))
    return parts


def found(folder: Path, parts: list[Part], source: str) -> dict[str, list[str]]:
    imitation = ImitationSettings(source=source)
    recipe = TrainRecipe(env="several", run="new", imitation=imitation)
    run = Store(folder / "store").run("new")
    examples = examples_for(recipe, parts, run)
    return {name: [entry.idea.id for entry in ideas] for name, ideas in examples.items()}


def test_a_training_on_the_same_problems_has_examples_for_each(
    tmp_path: Path, parts: list[Part]
) -> None:
    assert found(tmp_path, parts, "old") == {
        "new.tiny": ["old.tiny/a"],
        "new.sibling": ["old.sibling/a"],
    }


def test_a_run_on_one_of_them_has_examples_for_that_one(tmp_path: Path, parts: list[Part]) -> None:
    assert found(tmp_path, parts, "old.sibling") == {
        "new.tiny": [],
        "new.sibling": ["old.sibling/a"],
    }
    with pytest.raises(
        UserError, match=r"old\.sibling is a run on sibling, and this one is on tiny"
    ):
        found(tmp_path, parts[:1], "old.sibling")


def test_what_is_kept_needs_no_other_run_any_more(tmp_path: Path, parts: list[Part]) -> None:
    run = Store(tmp_path / "store").run("new")
    recipe = TrainRecipe(env="several", run="new", imitation=ImitationSettings(source="old"))
    for name, ideas in examples_for(recipe, parts, run).items():
        keep_examples(run.beside(name), ideas)
    for name in ("old", "old.tiny", "old.sibling"):
        shutil.rmtree(tmp_path / "store/runs" / name)
    assert found(tmp_path, parts, "old") == {}


@pytest.mark.parametrize("source", ["old", "old.sibling"])
def test_a_start_that_ended_between_two_problems_goes_on_with_the_other(
    tmp_path: Path, parts: list[Part], source: str
) -> None:
    run = Store(tmp_path / "store").run("new")
    all_of_them = found(tmp_path, parts, source)
    recipe = TrainRecipe(env="several", run="new", imitation=ImitationSettings(source=source))
    keep_examples(run.beside("new.tiny"), examples_for(recipe, parts, run)["new.tiny"])
    assert found(tmp_path, parts, source) == {"new.sibling": all_of_them["new.sibling"]}
