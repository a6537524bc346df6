"""The library of grpo: every idea does what its `expect` says as far as that is quick."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.edits import EditError, ForbiddenEdit
from executor.problem.problem import Problem, load_problem
from tests.gym_envs.problem_files import with_idea

FOLDER = Path(__file__).parents[2] / "gym_envs" / "grpo"
TINY, FULL = load_problem(FOLDER / "problem-tiny.toml"), load_problem(FOLDER)
IDEAS: dict[str, dict[str, Any]] = {
    idea["id"]: idea for idea in yaml.safe_load(TINY.library.read_text())
}
REFUSED = {"greedy-answers": ForbiddenEdit, "half-a-point": ForbiddenEdit, "value-head": EditError}
STRONG = [
    "learning-rate",
    "rollout-size",
    "more-rollouts",
    "token-sum",
    "skip-even-groups",
    "half-negative",
    "sharper-weights",
]


def edited(problem: Problem, codebase: Mapping[str, str], idea_id: str, *values: Any):
    return with_idea(problem, codebase, IDEAS[idea_id], *values)


def test_the_library_is_large_and_mixed() -> None:
    assert len(IDEAS) >= 25
    assert {"completed", "crashed", "timeout", "rejected", "not_implemented"} == {
        idea["expect"] for idea in IDEAS.values()
    }


@pytest.mark.parametrize("problem", [TINY, FULL], ids=["tiny", "full"])
@pytest.mark.parametrize("idea_id", [name for name in IDEAS if name not in REFUSED])
def test_an_idea_applies_at_both_sizes_with_each_of_its_values(
    problem: Problem, idea_id: str
) -> None:
    for values in itertools.product(*IDEAS[idea_id].get("params", {}).values()):
        after = edited(problem, problem.codebase, idea_id, *values)
        assert after != problem.codebase
        compile(after["train.py"], "train.py", "exec")


@pytest.mark.parametrize("idea_id", REFUSED)
def test_an_idea_that_cannot_be_carried_out_is_refused(idea_id: str) -> None:
    with pytest.raises(REFUSED[idea_id]):
        edited(TINY, TINY.codebase, idea_id)
    assert IDEAS[idea_id]["expect"] in ("rejected", "not_implemented")


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(STRONG, 2)))
def test_the_strong_ideas_combine_in_any_order(first: str, second: str) -> None:
    one_way = edited(TINY, edited(TINY, TINY.codebase, first), second)
    other_way = edited(TINY, edited(TINY, TINY.codebase, second), first)
    assert one_way == other_way
