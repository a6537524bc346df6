"""`envs import`: what it writes, what it warns of, and what is no problem of anybody's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from executor import load_problem
from ideator_rl.ideators.library import load_library
from tests.gym_envs.imports.peer_folders import BELIEVES, LOAD, PROGRAM, SKIPS, make_peer
from tests.ideator_rl.command_line import ideator_rl, in_process


def test_a_folder_becomes_a_problem(tmp_path: Path) -> None:
    make_peer(tmp_path / "my_peer", SKIPS, config="prompt: {system_message: Do 'well'.}\n")
    done = in_process(tmp_path, "envs", "import", "my_peer", "--plausible", "9", "--examined")
    assert done.code == 0 and "envs check my-peer/" in done.out
    problem = load_problem(tmp_path / "my-peer")
    file = problem.file
    assert file.imported and file.imported.examined and file.reward.plausible == 9
    assert file.files.regions == ("EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END")
    assert file.task.strip() == "Do 'well'." and problem.codebase["initial_program.py"] == PROGRAM
    assert (tmp_path / "my-peer/peer/evaluator.py").read_text() == SKIPS
    # A folder without ideas gets its numbers, halved and doubled.
    assert [atom.params["value"] for atom in load_library(problem.library)] == [[8, 2]]


def test_what_invites_cheating_is_warned_of(tmp_path: Path) -> None:
    make_peer(tmp_path / "skips", SKIPS)
    err = in_process(tmp_path, "envs", "import", "skips", "--out", "a").err
    assert "evaluator.py line 14 goes on after an exception" in err
    assert "it can write its own score" in err
    program = PROGRAM.replace("size * n", "makespan")
    make_peer(tmp_path / "believes", BELIEVES, program)
    err = in_process(tmp_path, "envs", "import", "believes", "--out", "b", "--examined").err
    assert "returns its own `makespan`" in err and "write its own score" not in err


@pytest.mark.parametrize(
    ("evaluator", "program", "config", "complaint"),
    [
        ("def f(): pass\n", PROGRAM, "", "evaluator.py: has no function evaluate"),
        ("def evaluate(:\n", PROGRAM, "", "evaluator.py: line 1 is no Python"),
        (SKIPS, "def solve(:\n", "", "initial_program.py: line 1 is no Python"),
        (SKIPS, "# EVOLVE-BLOCK-START\n", "", "initial_program.py: line 1: EVOLVE-BLOCK-START"),
        (SKIPS, PROGRAM, "a: [\n", "config.yaml: not valid YAML"),
        (SKIPS, PROGRAM, "evaluator: 3\n", "config.yaml: evaluator: expected a section"),
        (SKIPS, PROGRAM, "evaluator: {timeout: soon}\n", "evaluator.timeout: expected a number"),
        (
            f"{LOAD}\ndef evaluate_stage1(p): pass\ndef evaluate(p): pass\n",
            PROGRAM,
            "evaluator: {cascade_thresholds: high}\n",
            "evaluator.cascade_thresholds: expected a list of numbers",
        ),
        (
            "def evaluate(program_path):\n    return len(open(program_path).read())\n",
            PROGRAM,
            "",
            "line 2 reads the program's source text, which --examined cannot show it",
        ),
    ],
)
def test_a_malformed_folder_is_one_line(
    tmp_path: Path, evaluator: str, program: str, config: str, complaint: str
) -> None:
    make_peer(tmp_path / "peer", evaluator, program, config)
    done = in_process(tmp_path, "envs", "import", "peer", "--out", "out", "--examined")
    assert done.code == 2 and complaint in done.err and done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["peer"]


def test_what_is_no_problem_is_one_line(tmp_path: Path) -> None:
    assert "no such folder" in in_process(tmp_path, "envs", "import", "nope").err
    (tmp_path / "empty").mkdir()
    assert "not a problem of OpenEvolve" in in_process(tmp_path, "envs", "import", "empty").err
    (tmp_path / "empty/initial.py").write_text("")
    assert "but no evaluate.py" in in_process(tmp_path, "envs", "import", "empty").err
    make_peer(tmp_path / "peer", SKIPS)
    assert "peer exists already" in in_process(tmp_path, "envs", "import", "peer").err
    binary = make_peer(tmp_path / "binary", SKIPS)
    (binary / "initial_program.py").write_bytes(b"\xff")
    assert "not UTF-8 text" in in_process(tmp_path, "envs", "import", "binary", "--out", "x").err


@pytest.mark.slow
def test_a_folder_that_was_changed_is_imported_again(tmp_path: Path) -> None:
    make_peer(tmp_path / "peer", SKIPS)
    in_process(tmp_path, "envs", "import", "peer", "--out", "other/mine", "--examined")
    in_process(tmp_path, "envs", "import", "peer", "--out", "mine")
    for folder in ("mine", "other/mine"):  # of one name: the data of one are not the other's
        assert ideator_rl(tmp_path, "envs", "baseline", folder, "--seeds", "1").code == 0
    (tmp_path / "mine/peer/evaluator.py").write_text(SKIPS + "\n")
    done = ideator_rl(tmp_path, "envs", "baseline", "mine", "--seeds", "1")
    assert done.code == 2 and "has changed since it was imported; import it again" in done.err


def test_numbers_that_nothing_attacked_are_not_said_to_hold(tmp_path: Path) -> None:
    make_peer(tmp_path / "peer", SKIPS)
    in_process(tmp_path, "envs", "import", "peer", "--out", "mine", "--plausible", "100")
    done = ideator_rl(tmp_path, "envs", "check", "mine", "--seeds", "2", "--cheats", "none")
    assert "DOES NOT HOLD: code of an idea cannot write its own score" in done.out
    assert "mine: not attacked; the other checks hold" in done.out
    assert "all checks hold" not in done.out
    card = next((tmp_path / "store/runs").glob("*/card.md")).read_text()
    assert "DOES NOT HOLD: code of an idea cannot write its own score" in card


@pytest.mark.slow
def test_an_imported_problem_is_searched(tmp_path: Path) -> None:
    make_peer(tmp_path / "peer", SKIPS)
    in_process(tmp_path, "envs", "import", "peer", "--out", "mine", "--examined")
    toml = tomllib.loads((tmp_path / "mine/problem.toml").read_text())
    assert toml["imported"]["kind"] == "openevolve"
    words = ["search", "--config", "mine/config_evolution.yaml", "--budget.ideas", "2", "--json"]
    done = ideator_rl(tmp_path, *words, "--search.epoch_size", "2", "--confirm.top", "0")
    assert done.code == 0, done.err
