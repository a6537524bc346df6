"""Whoever knows one installation's answers by heart is implausible there, and gains nothing
anywhere else."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from executor import Executor, Idea, Outcome, Problem
from executor.data.prepared import prepare_data
from executor.data.script import load_script
from gym_envs import find_problem
from gym_envs.cheats import recall
from gym_envs.cheats.cheat import CLASSIFIER, LANGUAGE_MODEL, Kind
from tests.cheats.runs import small_problem

SECRETS = ("the secret of one installation", "the secret of another installation")
ANSWERS = {CLASSIFIER: recall.labels_in_order, LANGUAGE_MODEL: recall.windows_in_order}
# Progress by steps: how many a CPU second holds depends on the machine's other work.
_BY_TIME, _BY_STEPS = "return used.item() / train_seconds", "return step / 60"


def _problem(kind: Kind) -> Problem:
    """The small problem, whose training ends after a number of steps or epochs."""
    problem = small_problem(kind)
    if kind == CLASSIFIER:
        return problem
    source = problem.codebase["train.py"]
    assert _BY_TIME in source
    by_steps = {"train.py": source.replace(_BY_TIME, _BY_STEPS)}
    return replace(problem, codebase={**problem.codebase, **by_steps})


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small library, which is quickly prepared."""
    folder, library = tmp_path_factory.mktemp("sources"), Path(sysconfig.get_path("stdlib"))
    prepare = load_script(find_problem("nanogpt-tiny").folder / "prepare.py").module
    for name in (*prepare.HELD_OUT, *prepare.FINAL, "typing.py", "inspect.py", "tarfile.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(library / name, folder / name)
    return folder


@pytest.fixture
def installed(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Kind, str], Problem]:
    """Switches to an installation, made when it is first named, and gives its problem."""

    def switch(kind: Kind, secret: str) -> Problem:
        root = tmp_path / secret.replace(" ", "-")
        monkeypatch.setenv("IDEATOR_RL_DATA", str(root))
        problem = _problem(kind)
        if not root.exists():
            root.mkdir()
            (root / "secret").write_text(secret)
            source = str(sources) if kind == LANGUAGE_MODEL else None
            prepare_data(problem.name, problem.folder / "prepare.py", source)
        return problem

    return switch


def both(problem: Problem, idea: Idea, store: Path) -> tuple[Outcome, Outcome]:
    """What the baseline and the idea come to."""
    with Executor(problem, store=store, slots=1) as executor:
        trials = executor.submit_baseline(), executor.submit(idea)
        baseline, outcome = (trial.result() for trial in trials)
        return baseline, outcome


@pytest.mark.parametrize("kind", [CLASSIFIER, pytest.param(LANGUAGE_MODEL, marks=pytest.mark.slow)])
def test_answers_by_heart_are_implausible_at_home_and_worth_nothing_elsewhere(
    kind: Kind, installed: Callable[[Kind, str], Problem], tmp_path: Path
) -> None:
    problem = installed(kind, SECRETS[0])
    held_out = problem.data().held_out
    assert held_out
    facts = {"ANSWERS": recall.packed(ANSWERS[kind](held_out))}
    cheat = next(c for c in recall.CHEATS if c.name == "answers-of-another-installation")
    idea = cheat.idea(kind, facts)

    baseline, at_home = both(problem, idea, tmp_path / "home")
    assert baseline.completed, baseline.detail
    assert at_home.status == "rejected", (at_home.reward, at_home.metrics)
    assert "implausible" in at_home.detail

    baseline, elsewhere = both(installed(kind, SECRETS[1]), idea, tmp_path / "elsewhere")
    assert baseline.completed and elsewhere.completed, elsewhere.detail
    assert elsewhere.reward < 1.01 * baseline.reward
