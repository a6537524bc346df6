"""What a training costs, before it starts, problem by problem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ideator_rl.estimate.training import estimate_training
from ideator_rl.rl.parts import open_parts
from ideator_rl.rl.train_recipe import read_train_recipe
from tests.ideator_rl.command_line import in_process
from tests.tiny_problem import make_problem

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    make_problem(tmp_path / "tiny")
    recipe = {
        "envs": [{"env": "digits", "weight": 3}, {"env": "tiny", "problem": {"budget.seconds": 7}}],
        "run": "both",
        "store": "store",
        "steps": 10,
        "model": {"path": "nowhere"},
        "grpo": {"groups": 4, "group_size": 8},
        "executor": {"slots": 2},
    }
    (tmp_path / "config_both.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def test_each_problem_is_priced_by_its_share_of_the_groups(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    recipe = read_train_recipe("config_both.yaml")
    found = estimate_training(recipe, open_parts(recipe), slots=2)
    assert {name: one.ideas for name, one in found.items()} == {"digits": 240, "tiny": 80}
    tiny = found["tiny"]
    # Three baselines, and nine of ten ideas take a trial where nothing is known.
    assert tiny.stages["baseline"].expected.slot_s == 3 * 7
    assert tiny.stages["execution"].expected.slot_s == pytest.approx(0.9 * 80 * 7)
    assert tiny.wall_s == pytest.approx((3 + 72) * 7 / 2)
    assert tiny.total.at_most.slot_s >= 83 * 7 and not tiny.priced


def test_what_is_asked_ahead_is_priced_too(workplace: Path) -> None:
    recipe = read_train_recipe(workplace / "config_both.yaml", {"grpo.staleness": "2"})
    parts = open_parts(read_train_recipe(RECIPES / "digits/grpo/config_qwen3_tiny.yaml"))
    [one] = estimate_training(recipe, parts, slots=2).values()
    assert one.ideas == (10 + 2) * 4 * 8


def test_executions_bound_the_trials_of_all_problems(workplace: Path) -> None:
    path = workplace / "config_both.yaml"
    raw = yaml.safe_load(path.read_text()) | {"envs": ["digits", "grpo-tiny"]}
    path.write_text(yaml.safe_dump(raw))

    def trials(**keys: str) -> dict[str, float]:
        recipe = read_train_recipe(path, keys)
        parts = open_parts(recipe)
        found = estimate_training(recipe, parts, slots=2)
        seconds = {part.problem.name: part.problem.file.budget.seconds for part in parts}
        return {n: one.stages["execution"].expected.slot_s / seconds[n] for n, one in found.items()}

    # A step has 32 ideas, and the last one may bring as many new codebases.
    assert trials(executions="101") == pytest.approx({"digits": 66, "grpo-tiny": 66})
    assert trials(executions="1000") == trials() == pytest.approx({"digits": 144, "grpo-tiny": 144})


def test_a_code_model_is_paid_within_the_budget_of_each_problem(workplace: Path) -> None:
    llm = {
        "api": "openai",
        "model": "code",
        "prices": {"input": 10.0, "output": 10.0},
        "budget": {"money": 4.0},
    }
    path = workplace / "config_both.yaml"
    raw = yaml.safe_load(path.read_text()) | {"implementer": {"kind": "llm", "llm": llm}}
    raw["envs"] = ["digits", "grpo-tiny"]
    path.write_text(yaml.safe_dump(raw))
    recipe = read_train_recipe(path)
    found = estimate_training(recipe, open_parts(recipe), slots=2)
    assert all(one.priced and one.reached < one.ideas for one in found.values())
    assert all("implementer.llm.budget.money of 2 US" in one.limits[0] for one in found.values())
    assert sum(one.total.at_most.money for one in found.values()) == pytest.approx(4.0)


def test_a_dry_run_starts_nothing_and_tells_of_all(workplace: Path) -> None:
    before = sorted(workplace.rglob("*"))
    done = in_process(workplace, "train", "--config", "config_both.yaml", "--dry-run", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert set(told["problems"]) == {"digits", "tiny"} and told["steps"] == 10
    hours = sum(one["wall_h"]["expected"] for one in told["problems"].values())
    assert told["wall_h"]["expected"] == pytest.approx(hours)
    assert sorted(workplace.rglob("*")) == before

    done = in_process(workplace, "train", "--config", "config_both.yaml", "--dry-run")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "digits: 10 steps" in lines and "tiny: 10 steps" in lines
    assert any(line.startswith("digits, tiny together: ") for line in lines)
    assert lines[-1] == "nothing was started of both"


def test_a_price_needs_to_know_how_many_trials_a_cluster_runs(workplace: Path) -> None:
    words = ("train", "--config", "config_both.yaml", "--dry-run", "--executor.slots", "null")
    done = in_process(workplace, *words, "--executor.workers.kind", "store")
    assert done.code == 2 and "executor.slots: say how many trials" in done.err


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/grpo/*.yaml")), ids=lambda p: str(p))
def test_every_shipped_recipe_has_a_price(path: Path) -> None:
    recipe = read_train_recipe(path)
    found = estimate_training(recipe, open_parts(recipe), slots=2)
    groups = recipe.grpo.groups * recipe.steps
    assert sum(one.ideas for one in found.values()) == groups * recipe.grpo.group_size
    assert all(one.total.expected.slot_s > 0 for one in found.values())
