"""The problems of a training: their runs, their share of a budget, and what they lack."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from executor.errors import UserError
from executor.llm.settings import LLMBudget, LLMSettings
from ideator_rl.kept.recipe import check_recipe
from ideator_rl.recipe.sections import LLMImplementerSettings
from ideator_rl.rl.parts import check_parts, open_parts
from ideator_rl.rl.train_recipe import LearntEnvSettings, TrainRecipe, read_train_recipe
from tests.tiny_problem import make_problem, make_sibling

LLM = LLMSettings("openai", "code", budget=LLMBudget(calls=100, tokens=9999, money=3.0))


def several(*envs: LearntEnvSettings, **more: object) -> TrainRecipe:
    return TrainRecipe(env="several", run="both", envs=envs, **more)  # type: ignore[arg-type]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    make_problem(tmp_path / "tiny")
    make_sibling(tmp_path / "sibling")
    path = tmp_path / "config_both.yaml"
    text = {
        "envs": [str(tmp_path / "tiny"), {"env": str(tmp_path / "sibling"), "weight": 3}],
        "store": str(tmp_path / "store"),
        "model": {"path": str(tmp_path)},
    }
    path.write_text(yaml.safe_dump(text))
    return path


def test_each_problem_has_a_run_and_a_recipe_of_its_own(recipe: Path) -> None:
    both = read_train_recipe(recipe, {"seed": "2"})
    assert both.run == "several-grpo-both-seed2"
    parts = open_parts(both)
    assert [part.problem.name for part in parts] == ["tiny", "sibling"]
    assert [part.recipe.run for part in parts] == [f"{both.run}.tiny", f"{both.run}.sibling"]
    assert [part.env.weight for part in parts] == [1, 3]
    assert parts[1].recipe.env == str(recipe.parent / "sibling")
    # What is kept of it is read again, and no recipe of a training on that problem alone.
    check_recipe(parts[1].recipe.to_yaml(), parts[1].recipe)
    alone = {"env": parts[1].recipe.env}
    with pytest.raises(UserError, match="was started with envs:"):
        check_recipe(parts[1].recipe.to_yaml(), read_alone(recipe, alone))


def read_alone(recipe: Path, overrides: dict[str, str]) -> TrainRecipe:
    raw = yaml.safe_load(recipe.read_text())
    del raw["envs"]
    (recipe.parent / "config_alone.yaml").write_text(yaml.safe_dump(raw | overrides))
    return read_train_recipe(recipe.parent / "config_alone.yaml", {"run": "alone"})


def test_one_problem_is_its_own_only_part(recipe: Path) -> None:
    alone = read_alone(recipe, {"env": str(recipe.parent / "tiny")})
    [part] = open_parts(alone)
    assert part.recipe is alone and part.problem.name == "tiny" and part.env.unit is None


@given(weights=st.lists(st.floats(0.01, 10), min_size=2, max_size=4), calls=st.integers(0, 1000))
def test_the_problems_share_one_budget_for_code(weights: list[float], calls: int) -> None:
    import msgspec

    budget = LLMBudget(calls=calls, tokens=7 * calls, money=calls / 3)
    llm = msgspec.structs.replace(LLM, budget=budget, requests_per_minute=60.0)
    names = ["digits", "nanogpt-tiny", "grpo-tiny", "grpo"][: len(weights)]
    envs = [LearntEnvSettings(name, weight) for name, weight in zip(names, weights, strict=True)]
    found = [
        part.recipe.implementer
        for part in open_parts(several(*envs, implementer=LLMImplementerSettings(llm)))
    ]
    settings = [one.llm for one in found if isinstance(one, LLMImplementerSettings)]
    assert len(settings) == len(weights)
    for kind in ("calls", "tokens", "money"):
        spent = sum(getattr(one.budget, kind) for one in settings)
        assert spent <= getattr(budget, kind) + 1e-9
        assert spent >= getattr(budget, kind) - len(weights) - 1e-9
    assert sum(one.requests_per_minute or 0 for one in settings) == pytest.approx(60)
    assert all(1 <= one.concurrency <= llm.concurrency for one in settings)


def test_a_budget_without_bounds_stays_without() -> None:
    import msgspec

    llm = msgspec.structs.replace(LLM, budget=LLMBudget())
    envs = [LearntEnvSettings("digits"), LearntEnvSettings("grpo-tiny")]
    [part, _] = open_parts(several(*envs, implementer=LLMImplementerSettings(llm)))
    assert isinstance(part.recipe.implementer, LLMImplementerSettings)
    assert part.recipe.implementer.llm.budget == LLMBudget()


def test_missing_data_are_one_line_that_names_the_problem(tmp_path: Path) -> None:
    recipe = several(LearntEnvSettings("digits"), LearntEnvSettings("nanogpt-1gpu"))
    with pytest.raises(UserError, match=r"nanogpt.*run: ideator-rl envs prepare nanogpt"):
        check_parts(recipe, open_parts(recipe))


def test_missing_gpus_are_one_line_that_names_the_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    make_problem(tmp_path / "tiny")
    gpus = LearntEnvSettings(str(tmp_path / "tiny"), problem={"resources.gpus": 64})
    recipe = several(LearntEnvSettings("digits"), gpus)
    with pytest.raises(UserError, match="a trial of tiny asks for 64 GPUs and this machine has"):
        check_parts(recipe, open_parts(recipe))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"envs": "[digits]"}, "it has one problem only; write it as env: digits"),
        ({"envs": "[digits, {env: grpo-tiny, wait: 1}]"}, "did you mean envs.weight?"),
        ({"envs": "[]"}, "env: required, but missing"),
        (
            {"envs": "[digits, {env: grpo-tiny, unit: 0}]"},
            "--envs[1].unit: expected `float` > 0.0 (got 0)",
        ),
        (
            {"envs": "[digits, {env: grpo-tiny, weight: -2}]"},
            "--envs[1].weight: expected `float` > 0.0 (got -2)",
        ),
        ({"env": "digits"}, "env: this recipe has `envs`, which names all problems"),
        ({"problem.budget.seconds": "1"}, "problem: this recipe has `envs`"),
        ({"executor.baseline_seeds": "1"}, "executor.baseline_seeds: the noise of each baseline"),
        ({"answer.max_turns": "2"}, "answer.max_turns: rewards of several problems"),
    ],
)
def test_what_several_problems_cannot_have_is_one_line(
    recipe: Path, overrides: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_train_recipe(recipe, overrides)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_recipe_that_a_run_has_kept_is_read_again(recipe: Path) -> None:
    kept = recipe.parent / "config_kept.yaml"
    both = read_train_recipe(recipe)
    for asked in (both, read_alone(recipe, {"env": "digits"})):
        kept.write_text(asked.to_yaml())
        path = asked.model.path
        assert read_train_recipe(kept, {"model.path": str(path)}).science() == asked.science()


def test_one_seed_of_each_baseline_will_do_where_units_are_said(recipe: Path) -> None:
    envs = "[{env: digits, unit: 0.01}, {env: grpo-tiny, unit: 0.02}]"
    read_train_recipe(recipe, {"envs": envs, "executor.baseline_seeds": "1"})


def test_a_problem_that_is_named_twice_is_one_line() -> None:
    recipe = several(LearntEnvSettings("digits"), LearntEnvSettings("research/Digits-v0"))
    with pytest.raises(UserError, match="envs: digits is named twice"):
        open_parts(recipe)


def test_other_commands_have_one_problem(tmp_path: Path) -> None:
    from ideator_rl.recipe.read import load_recipe

    (tmp_path / "config_a.yaml").write_text("envs: [digits, grpo-tiny]\n")
    with pytest.raises(UserError, match="envs: only trainings and warm starts have several"):
        load_recipe(tmp_path / "config_a.yaml", {"env": "digits"})
