from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ideator_rl.command_line import ideator_rl, in_process, make_workplace


def test_the_list_names_every_environment(tmp_path: Path) -> None:
    done = ideator_rl(tmp_path, "envs", "list", "--json")
    rows = [json.loads(line) for line in done.out.split("\n") if line]
    assert {"digits", "nanogpt-tiny"} <= {row["name"] for row in rows}
    assert {"research/Digits-v0", "research/NanoGPTTiny-v0"} <= {row["id"] for row in rows}


@pytest.mark.slow
def test_a_new_environment_checks_and_can_be_searched(tmp_path: Path) -> None:
    assert ideator_rl(tmp_path, "envs", "new", "my-problem").code == 0
    check = ideator_rl(tmp_path, "envs", "check", "my-problem/")
    assert check.code == 0 and "all checks hold" in check.out, check.out + check.err
    assert "cheats gained nothing" in check.out and "holds: no network" in check.out
    search = ideator_rl(
        tmp_path, "search", "--config", "my-problem/config_evolution.yaml", "--json"
    )
    result = json.loads(search.out)
    assert result["executed"] == 24
    assert result["best"]["reward"] > 2 * max(result["baseline_rewards"])


def test_a_check_writes_a_card(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    done = ideator_rl(tmp_path, "envs", "check", "tiny", "--seeds", "2")
    (line,) = [line for line in done.out.split("\n") if line.startswith("card: ")]
    page = (tmp_path / line.removeprefix("card: ")).read_text()
    assert page.startswith("# tiny: Name a large number\n") and "| mean reward | 10.0" in page
    assert "| larger | completed | 12.00000 | +2.00000 |" in page
    done = ideator_rl(tmp_path, "envs", "check", "tiny", "--seeds", "2", "--card", "tiny.md")
    assert done.out.endswith("card: tiny.md\n") and (tmp_path / "tiny.md").read_text() == page


def test_a_baseline_that_crashes_has_a_card(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    (tmp_path / "tiny/codebase/run.sh").write_text("exit 3\n")
    done = ideator_rl(tmp_path, "envs", "check", "tiny", "--card", "tiny.md")
    assert done.code == 1 and "FAIL  the baseline: crashed" in done.out
    assert "None of 3 baseline trials completed" in (tmp_path / "tiny.md").read_text()


def test_a_check_fails_where_an_idea_does_not_end_as_stated(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    ideas = tmp_path / "tiny/ideas.yaml"
    ideas.write_text(ideas.read_text().replace("expect: crashed", "expect: completed"))
    done = ideator_rl(tmp_path, "envs", "check", "tiny", "--seeds", "2")
    assert done.code == 1 and "1 failed" in done.out
    (line,) = [line for line in done.out.split("\n") if line.startswith("FAIL")]
    assert "crash" in line and "expected completed" in line


def test_the_baseline_is_measured_over_seeds(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    done = ideator_rl(tmp_path, "envs", "baseline", "tiny", "--seeds", "2")
    assert done.code == 0 and "reward 10.00000 ± 0.00000" in done.out


def test_data_are_prepared_where_it_says(tmp_path: Path) -> None:
    done = ideator_rl(tmp_path, "envs", "prepare", "digits", IDEATOR_RL_DATA=str(tmp_path / "d"))
    assert done.code == 0 and len(list((tmp_path / "d").glob("digits-*/manifest.json"))) == 1
    make_workplace(tmp_path)
    assert "needs no data" in ideator_rl(tmp_path, "envs", "prepare", "tiny").out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("new", "My Problem"), "a name is lower-case words"),
        (("new", "tiny"), "tiny exists already"),
        (("check", "nope"), "unknown environment 'nope'"),
        (("check", "tiny", "--seeds", "0"), "--seeds: must be at least 1"),
        (("prepare", "digits"), "set IDEATOR_RL_DATA to a folder that can"),
        ((), "required: action"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    make_workplace(tmp_path)
    done = in_process(tmp_path, "envs", *words, IDEATOR_RL_DATA=str(tmp_path / "config.yaml" / "x"))
    assert done.code == 2 and complaint in done.err.rstrip().split("\n")[-1], done.err


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    for words in ((), ("search",), ("execute",), ("envs",), ("report",)):
        done = in_process(tmp_path, *words, "--help")
        assert done.code == 0 and "example" in done.out
