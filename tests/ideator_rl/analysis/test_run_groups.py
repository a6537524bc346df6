"""Which runs are comparable, and which are seeds of one recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import begin, completed, sample_run, training_run, write_trial

from executor.records import Idea
from executor.run_records import START as START_FILE
from executor.run_records import RunStart, read_start
from executor.store.runs import RunFolder, Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.confirmed import keep_link
from ideator_rl.analysis.run_groups import compare, described
from ideator_rl.recipe.read import parse_recipe


def seeded(store: Path, seed: int, name: str = "", **sections: object) -> RunFolder:
    """A search of one idea with a recipe as searches keep it."""
    name = name or f"digits-evolution-seed{seed}"
    run = Store(store).run(name)
    raw = {"env": "digits", "run": name, "seed": seed, **sections}
    run.write_recipe(parse_recipe(raw, "test").to_yaml())
    begin(run)
    write_trial(run, Idea("a", "x"), completed("a", 0.9))
    return run


def test_seeds_of_one_recipe_are_one_group(tmp_path: Path) -> None:
    runs = [seeded(tmp_path, seed) for seed in (0, 1, 2)]
    runs.append(seeded(tmp_path, 3, "many", budget={"ideas": 99}))
    found = compare([load_run(run) for run in runs])
    assert [group.name for group in found.groups] == ["digits-evolution, 3 seeds", "many"]
    assert [len(group.runs) for group in found.groups] == [3, 1]
    assert found.groups[0].about == "search: evolution, library" and not found.left_out


def test_one_recipe_under_other_names_is_one_group(tmp_path: Path) -> None:
    runs = [seeded(tmp_path, seed, name) for seed, name in enumerate(("one", "two"))]
    (group,) = compare([load_run(run) for run in runs]).groups
    assert group.name == "one and 1 more"


def test_searches_and_training_are_compared(tmp_path: Path) -> None:
    runs = [load_run(run) for run in (sample_run(tmp_path, 8), training_run(tmp_path))]
    found = compare(runs)
    assert len(found.groups) == 2 and found.runs == tuple(runs)


def test_another_problem_or_version_is_left_out_with_its_reason(tmp_path: Path) -> None:
    runs = [seeded(tmp_path, seed) for seed in (0, 1)]
    other = Store(tmp_path).run("tiny")
    begin(other, "nanogpt-tiny")
    write_trial(other, Idea("a", "x"), completed("a", 0.9))
    version = seeded(tmp_path, 5, "newer")
    start = read_start(version)
    assert start
    version.keep(START_FILE, RunStart(start.problem, "9999", start.seed, start.reward))
    empty = Store(tmp_path).run("empty")
    begin(empty)
    confirming = seeded(tmp_path, 6, "confirming")
    keep_link(runs[0], confirming)

    found = compare([load_run(run) for run in (other, *runs, version, empty, confirming)])
    assert [run.name for run in found.runs] == ["digits-evolution-seed0", "digits-evolution-seed1"]
    why = {run.name: reason for run, reason in found.left_out}
    assert why["tiny"] == "it is about another problem: nanogpt-tiny, and not digits"
    assert why["newer"].startswith("it was measured on another version of digits")
    assert why["empty"] == "none of its ideas has ended"
    assert why["confirming"].startswith("it confirms the winners of digits-evolution-seed0")


def test_nothing_to_compare_is_no_group(tmp_path: Path) -> None:
    empty = Store(tmp_path).run("empty")
    begin(empty)
    found = compare([load_run(empty)])
    assert found.groups == () and len(found.left_out) == 1


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"ideator": {"kind": "checkpoint", "model": "models/qwen3/"}}, "search: evolution, qwen3"),
        ({"search": {"method": "best_of_n"}}, "search: best_of_n, library"),
    ],
)
def test_a_run_is_described_by_its_recipe(
    tmp_path: Path, sections: dict[str, object], words: str
) -> None:
    assert described(load_run(seeded(tmp_path, 0, **sections))) == words
