"""The best ideas of another run, executed for it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from executor import Executor, Idea, Problem, Store
from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.ideators.ideator import Executed
from ideator_rl.rl.objectives.imitated_run import find_examples, keep_examples, kept_examples
from tests.executor.runs import idea, tiny
from tests.tiny_problem import make_problem


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@pytest.fixture
def mine(tmp_path: Path) -> RunFolder:
    return Store(tmp_path / "store").run("mine")


def execute(problem: Problem, store: Path, name: str, ideas: list[Idea], seed: int = 0) -> None:
    with Executor(problem, store=store, run=name, slots=2, sandbox="none", seed=seed) as executor:
        for future in [executor.submit(each) for each in ideas]:
            future.result()


def ids(found: list[Executed]) -> list[str]:
    return [entry.idea.id for entry in found]


def test_the_best_distinct_ideas_are_found_by_name_and_by_path(
    problem: Problem, mine: RunFolder, tmp_path: Path
) -> None:
    built = replace(idea("00-3", 25), parents=("00-1",))
    failed, copy = idea("00-4", shell="exit 3"), idea("00-5", 20)
    execute(problem, tmp_path / "store", "searched", [idea("00-1", 20), built, failed, copy])
    found = find_examples("searched", mine, problem, seed=0, best=16)
    assert ids(found) == ["searched/00-3", "searched/00-1"]
    assert [entry.outcome.reward for entry in found] == [25, 20]
    # Ids of this run's own must not be meant by those of another.
    assert found[0].idea.parents == () and found[0].idea.text == built.text
    path = f"{tmp_path}/store/runs/searched"
    assert find_examples(path, mine, problem, seed=0, best=16) == found
    most = find_examples("searched", mine, problem, seed=0, best=1)
    assert ids(most) == ["searched/00-3", "searched/00-1"]


def test_a_codebase_is_known_whatever_the_seed_that_it_ran_with(
    problem: Problem, mine: RunFolder, tmp_path: Path
) -> None:
    execute(problem, tmp_path / "store", "searched", [idea("00-1", 20)], seed=7)
    execute(problem, tmp_path / "store", "mine", [idea("0001-a", 20)], seed=3)
    [found] = find_examples("searched", mine, problem, seed=3, best=16)
    own = mine.outcome("0001-a")
    assert own and own.content_hash == found.outcome.content_hash


def test_what_the_other_run_does_later_changes_nothing(
    problem: Problem, mine: RunFolder, tmp_path: Path
) -> None:
    execute(problem, tmp_path / "store", "searched", [idea("00-1", 20)])
    keep_examples(mine, find_examples("searched", mine, problem, seed=0, best=16))
    execute(problem, tmp_path / "store", "searched", [idea("00-2", 30)])
    assert ids(kept_examples(mine)) == ["searched/00-1"]
    shutil.rmtree(tmp_path / "store/runs/searched")
    assert ids(find_examples("searched", mine, problem, seed=0, best=16)) == ["searched/00-1"]


def test_edits_of_another_ideas_code_are_not_imitated(
    problem: Problem, mine: RunFolder, tmp_path: Path
) -> None:
    text = "[Experiment] On.\n[Code Changes]\nvalue: 20 -> 40"
    later = Idea("01-1", text, parents=("00-1",), base="00-1")
    with Executor(
        problem, store=tmp_path / "store", run="searched", slots=1, sandbox="none"
    ) as executor:
        executor.submit(idea("00-1", 20)).result()
        assert executor.submit(later).result().reward == 40
    found = find_examples("searched", mine, problem, seed=0, best=16)
    assert ids(found) == ["searched/00-1"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("nothing", r"imitation.from: .*/store/runs/nothing: no such run; the runs of .* are: .*"),
        ("a/b", r"imitation.from: a/b: not a run; name it STORE/runs/RUN"),
        ("mine", r"imitation.from: this is the run itself, .*; leave it out"),
        ("../x", r"imitation.from: ../x: not a run; name it STORE/runs/RUN"),
        (
            "empty",
            r"imitation.from: empty has executed nothing; name a search or a training on tiny",
        ),
        ("other", r"imitation.from: other is a run on another, and this one is on tiny"),
        ("older", r"imitation.from: older was measured on another version of tiny \(.*\): its"),
        ("failed", r"imitation.from: no idea of failed that can be imitated has completed"),
    ],
)
def test_a_run_that_cannot_be_imitated_is_one_line(
    problem: Problem, mine: RunFolder, tmp_path: Path, source: str, line: str
) -> None:
    store = tmp_path / "store"
    mine.write_recipe("env: tiny")
    Store(store).run("empty").write_recipe("env: tiny")
    if source == "other":
        execute(tiny_named(tmp_path / "another", "another"), store, "other", [idea("00-1", 20)])
    elif source == "older":
        changed = tiny(tmp_path / "older")
        (changed.folder / "evaluate.py").write_text(
            (changed.folder / "evaluate.py").read_text() + "\n# Other.\n"
        )
        execute(tiny_named(changed.folder), store, "older", [idea("00-1", 20)])
    elif source == "failed":
        execute(problem, store, "failed", [idea("00-1", shell="exit 3")])
    with pytest.raises(UserError, match=line) as error:
        find_examples(source, mine, problem, seed=0, best=16)
    assert "\n" not in str(error.value)


def tiny_named(folder: Path, name: str = "tiny") -> Problem:
    """The tiny problem as it lies there, or under another name."""
    from executor import load_problem

    if name != "tiny":
        make_problem(folder, name, "Another-v0")
    return load_problem(folder)
