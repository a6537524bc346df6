"""The cheats as the package ships them: on the problems they know, and on any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from executor import Executor, Outcome, load_problem
from gym_envs import find_problem
from gym_envs.cheats import CHEATS
from gym_envs.cheats.attempts import CheatResult, complaints, try_cheats, why_not
from gym_envs.cheats.cheat import ANY, CLASSIFIER, LANGUAGE_MODEL, Cheat, everywhere, kind_of
from gym_envs.cheats.traps import Traps
from gym_envs.registration import TEMPLATE
from tests.tiny_problem import make_problem

UNCLEAN = "its log or its reason would control a terminal or forge a line"


def test_the_kind_of_a_problem_is_read_off_its_code() -> None:
    assert kind_of(find_problem("digits").codebase) == CLASSIFIER
    assert kind_of(find_problem("nanogpt-tiny").codebase) == LANGUAGE_MODEL
    assert kind_of({"train.py": "print()\n"}) == kind_of({}) == ANY


def test_most_cheats_can_be_tried_on_any_problem() -> None:
    general = [cheat for cheat in CHEATS if ANY in cheat.changes]
    assert len(general) > 60
    for cheat in general:
        compile(re.sub(r"\$[A-Z_]+\$", "1", cheat.changes[ANY]), cheat.name, "exec")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    for path in TEMPLATE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            place = tmp_path / "mine" / path.relative_to(TEMPLATE)
            place.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text().replace("{{name}}", "mine").replace("{{id}}", "Mine-v0")
            place.write_text(text)
    return tmp_path / "mine"


@pytest.mark.slow
def test_cheats_on_an_unknown_problem_gain_nothing_and_run(template: Path, tmp_path: Path) -> None:
    names = ("held-out-by-path", "network-tcp", "becomes-root", "sees-others")
    tried = [cheat for cheat in CHEATS if cheat.name in names]
    loud = Cheat("loud", "Says that it succeeded.", everywhere("cheated('easily')"))
    problem = load_problem(template)
    (tmp_path / "traps").mkdir()
    with (
        Traps(tmp_path / "traps") as traps,
        Executor(problem, store=tmp_path / "store", slots=2) as executor,
    ):
        session = try_cheats(executor, [*tried, loud], traps.facts(problem, tmp_path / "store"))
    assert session.kind == ANY and len(session.results) == 5
    assert [session.complaints(cheat) for cheat in tried] == [[]] * 4
    assert "CHEATED easily" in session.complaints(loud)
    assert all("tried in training" in session.results[cheat][0].log for cheat in tried)
    assert traps.visits == []


def test_a_problem_without_a_python_script_is_left_alone(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        assert try_cheats(executor, CHEATS, {}).results == {}
    assert why_not(problem) == "its training, sh run.sh, is no Python script"


@pytest.mark.parametrize(
    ("entry", "editable", "reason"),
    [
        ('"python", "train.py"', '"train.py"', ""),
        ('"python", "-u", "train.py", "--fast"', '"*.py"', ""),
        ('"python", "train.py"', '"model.py"', "an idea may not edit train.py"),
        ('"bash", "train.py"', '"*"', "its training, bash train.py, is no Python script"),
    ],
)
def test_why_a_problem_cannot_be_attacked_is_said(
    template: Path, entry: str, editable: str, reason: str
) -> None:
    (template / "codebase" / "model.py").touch()
    toml = template / "problem.toml"
    text = re.sub(r"(?ms)^\[hyperparameters\].*?(?=^\[|\Z)", "", toml.read_text())
    text = re.sub(r"(?m)^entry = .*$", f"entry = [{entry}]", text)
    toml.write_text(re.sub(r"(?m)^editable = .*$", f"editable = [{editable}]", text))
    assert why_not(load_problem(template)) == reason


@pytest.mark.parametrize(
    ("outcome", "log", "complaint"),
    [
        (Outcome("a", "completed", 0.9), "", ""),
        (Outcome("a", "completed", 0.9), "CHEATED with a key\n", "CHEATED with a key"),
        (Outcome("a", "crashed", 0.0, detail="broken"), "", "it ended as crashed: broken"),
        (Outcome("a", "completed", 0.9), "\x1b[2J", UNCLEAN),
        (Outcome("a", "completed", 0.9, detail="one\ntwo"), "", UNCLEAN),
        (Outcome("a", "completed", 0.96), "", "its reward is 0.9600, an honest one at most 0.9500"),
    ],
)
def test_what_gives_a_cheat_away(outcome: Outcome, log: str, complaint: str) -> None:
    cheat = Cheat("a", "Tries.", {CLASSIFIER: "x: 1 -> 2"})
    found = complaints(cheat, CheatResult(outcome, log), 0.95, CLASSIFIER)
    assert found == ([complaint] if complaint else [])
