"""What `ideator-rl envs new` copies is a working problem once its placeholders are filled in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from executor import Executor, Idea, Outcome, Problem, load_problem
from executor.problem.problem_file import ProblemFile
from executor.settings import known_keys

TEMPLATE = Path(__file__).parents[2] / "gym_envs" / "template"
SEEDS = range(3)


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    folder = tmp_path_factory.mktemp("new") / "my-problem"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    toml = folder / "problem.toml"
    text = toml.read_text().replace("{{name}}", "my-problem").replace("{{id}}", "MyProblem-v0")
    toml.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDEATOR_RL_DATA", str(tmp_path_factory.mktemp("data")))
        yield load_problem(folder)


@pytest.fixture(scope="module")
def executor(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Executor(problem, store=tmp_path_factory.mktemp("store"), slots=1) as executor:
        yield executor


def outcomes_of(executor: Executor, idea_id: str, seeds: Iterable[int] = SEEDS) -> list[Outcome]:
    ideas = {idea["id"]: idea for idea in yaml.safe_load(executor.problem.library.read_text())}
    text = f"[Experiment] {ideas[idea_id]['experiment']}[Code Changes]\n{ideas[idea_id]['changes']}"
    for name, values in ideas[idea_id].get("params", {}).items():
        text = text.replace(f"{{{name}}}", str(values[0]))
    futures = [executor.submit(Idea(f"{idea_id}-{s}", text), seed=s) for s in seeds]
    return [future.result() for future in futures]


def test_the_placeholders_are_in_problem_and_recipe_alone() -> None:
    texts = [p for p in TEMPLATE.rglob("*.*") if p.suffix != ".pyc"]
    with_placeholders = {path.name for path in texts if "{{" in path.read_text()}
    assert with_placeholders == {"problem.toml", "config_evolution.yaml"}


def test_its_names_are_filled_in(problem: Problem) -> None:
    assert (problem.name, problem.file.id) == ("my-problem", "MyProblem-v0")


def test_every_key_of_a_problem_is_there_and_explained(problem: Problem) -> None:
    lines = (TEMPLATE / "problem.toml").read_text().splitlines()

    # What `envs import` writes is explained in docs/importing.md.
    known = [key for key in known_keys(ProblemFile) if not key.startswith("imported")]
    sections = {key.partition(".")[0] for key in known if "." in key}
    keys = {key.rpartition(".")[2] for key in known} - sections
    for key in keys - {"hyperparameters", "task"}:
        assert any(line.startswith(f"{key} = ") and "  # " in line for line in lines), key


def test_a_good_idea_beats_the_baseline_beyond_the_noise(executor: Executor) -> None:
    baseline = [executor.submit_baseline(seed).result() for seed in SEEDS]
    good = outcomes_of(executor, "more-features")
    assert all(outcome.completed for outcome in baseline + good)
    assert min(o.reward for o in good) > 1.5 * max(o.reward for o in baseline)
    assert outcomes_of(executor, "linear-features", [0])[0].reward < min(o.reward for o in baseline)


@pytest.mark.parametrize(
    ("idea_id", "status"), [("average-of-targets", "rejected"), ("misspelt-name", "crashed")]
)
def test_a_failing_idea_fails_as_expected(executor: Executor, idea_id: str, status: str) -> None:
    assert outcomes_of(executor, idea_id, [0])[0].status == status
