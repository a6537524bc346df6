"""The earlier ideas in the prompts of an evaluation: chosen once, from a run that compares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from executor import Executor, Idea, Problem, Store, load_problem
from executor.errors import UserError
from executor.store.open import open_storage
from ideator_rl.evaluation.recipe import EvaluationRecipe, read_evaluation
from ideator_rl.evaluation.shown import keep_shown, shown_ideas
from ideator_rl.ideators.ideator import Executed
from ideator_rl.run_parts import keep_part
from tests.tiny_problem import larger, make_problem


def recipe(archive: str | None, kind: str = "best") -> EvaluationRecipe:
    values = {"env": "tiny", "models": ["a"], "prompts.kind": kind, "prompts.shown": 1}
    return read_evaluation(None, values | ({"archive": archive} if archive else {}))


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return load_problem(make_problem(tmp_path / "tiny"))


def execute(folder: Path, problem: Problem, run: str, *numbers: int) -> str:
    store = folder / "store"
    with Executor(problem, store=store, run=run, slots=1, sandbox="best-effort") as executor:
        executor.execute(Idea(f"n{number}", larger(number)) for number in numbers)
    return f"{store}/runs/{run}"


def names(shown: Sequence[Executed]) -> list[str]:
    return [entry.idea.id for entry in shown]


def test_what_was_chosen_stays_chosen(tmp_path: Path, problem: Problem) -> None:
    archive, out = execute(tmp_path, problem, "old", 20, 30), open_storage(tmp_path / "out")
    shown = shown_ideas(recipe(archive), problem, out)
    assert names(shown) == ["n30"] and shown[0].outcome.reward == 30
    keep_shown(out, shown)
    execute(tmp_path, problem, "old", 40)
    assert names(shown_ideas(recipe(archive), problem, out)) == ["n30"]
    assert names(shown_ideas(recipe(archive), problem, open_storage(tmp_path / "new"))) == ["n40"]
    assert shown_ideas(recipe(None, "fixed"), problem, out) == []


def test_of_a_training_on_several_problems_the_ideas_on_this_one_are_shown(
    tmp_path: Path, problem: Problem
) -> None:
    execute(tmp_path, problem, "both.tiny", 20, 30)
    store = Store(tmp_path / "store")
    keep_part(store.run("both"), store.run("both.tiny"))
    out = open_storage(tmp_path / "out")
    assert names(shown_ideas(recipe(f"{tmp_path}/store/runs/both"), problem, out)) == ["n30"]


def test_what_shows_nothing_that_compares_is_one_line(tmp_path: Path, problem: Problem) -> None:
    out = open_storage(tmp_path / "out")
    with pytest.raises(UserError, match=r"archive: .*/runs/none is no run of this version of tiny"):
        shown_ideas(recipe(f"{tmp_path}/store/runs/none"), problem, out)
    other = load_problem(tmp_path / "tiny", {"budget.seconds": 9})
    archive = execute(tmp_path, other, "other", 20)
    with pytest.raises(
        UserError, match=r"archive: .*/runs/other is no run of this version of tiny"
    ):
        shown_ideas(recipe(archive), problem, out)


@pytest.mark.parametrize(
    ("archive", "kind", "told"),
    [
        (None, "puct", "set both keys, or none"),
        ("store/runs/a", "fixed", "set both keys, or none"),
        ("a", "best", "archive: 'a' is not of the form STORE/runs/RUN"),
    ],
)
def test_prompts_that_show_ideas_name_their_run(archive: str, kind: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        recipe(archive, kind)
