from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.errors import UserError
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.recipe.read import load_recipe, parse_recipe
from ideator_rl.rl.train_recipe import read_train_recipe

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/search/*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_recipe_loads_and_round_trips(path: Path) -> None:
    recipe = load_recipe(path)
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), path) == recipe


def test_overrides_reach_every_level() -> None:
    path = RECIPES / "digits/search/config_evolution.yaml"
    recipe = load_recipe(
        path, {"budget.ideas": "7", "seed": "3", "problem.budget.seconds": "1.5", "store": "s"}
    )
    assert (recipe.budget.ideas, recipe.seed, recipe.store) == (7, 3, "s")
    assert recipe.problem == {"budget.seconds": 1.5}
    assert recipe.run == "digits-evolution-seed3"


def test_an_override_may_be_a_value_or_a_section() -> None:
    path = RECIPES / "digits/search/config_evolution.yaml"
    recipe = load_recipe(path, {"budget": {"ideas": 5}, "seed": 3})
    assert (recipe.budget.ideas, recipe.seed) == (5, 3)


def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file() -> None:
    path = RECIPES / "digits/search/config_evolution.yaml"
    for overrides, begin in (({"budget.ideas": "0"}, "--budget.ideas: expected"),
                             ({"budget.idea": "4"}, "--budget.idea: unknown key"),
                             ({"steps": "4"}, "--steps: unknown key"),
                             ({"ideator.model": "a"}, "--ideator.model: unknown key")):  # fmt: skip
        with pytest.raises(UserError) as error:
            load_recipe(path, overrides)
        assert str(error.value).startswith(begin)


def test_a_section_that_only_the_command_line_has_is_its_own() -> None:
    path = RECIPES / "digits/grpo/config_qwen3_tiny.yaml"
    with pytest.raises(UserError, match=r"^--objective\.kind: required"):
        read_train_recipe(path, {"objective.beta": "3"})


def test_a_resumed_run_may_confirm_otherwise() -> None:
    path = RECIPES / "digits/search/config_evolution.yaml"
    recipes = [load_recipe(path, {"confirm.top": top}) for top in ("0", "9")]
    assert recipes[0] != recipes[1] and recipes[0].science() == recipes[1].science()


def test_only_ideas_that_no_model_wrote_are_trusted() -> None:
    path = RECIPES / "digits/search/config_evolution.yaml"
    assert load_recipe(path).sandbox == "best-effort"
    model = {"ideator.kind": "checkpoint", "ideator.model": "a"}
    recipe = load_recipe(path, model)
    assert recipe.sandbox == "strict" and recipe.science()["ideator.model"] == "a"
    assert load_recipe(path, model | {"executor.sandbox": "none"}).sandbox == "none"
    assert parse_recipe(yaml.safe_load(recipe.to_yaml()), path) == recipe


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("env: digits\nbudgets: {ideas: 3}", "budgets: unknown key.*did you mean budget"),
        ("env: digits\nbudget: {idea: 3}", "budget.idea: unknown key.*did you mean budget.ideas"),
        ("env: digits\nbudget: {ideas: 0}", "budget.ideas: expected `int` >= 1"),
        ("env: digits\nbudget: {ideas: many}", "budget.ideas: expected `int`, got `str`"),
        ("env: digits\nconfirm: {top: -1}", "confirm.top: expected `int` >= 0"),
        ("env: digits\nconfirm: {seeds: 0}", "confirm.seeds: expected `int` >= 1"),
        (
            "env: digits\nsearch: {method: magic}",
            "search.method: expected one of evolution, best_of_n, sequential, islands, plugin",
        ),
        ("env: digits\nideator: {kind: magic}", "kind: expected one of library, checkpoint"),
        ("env: digits\nideator: {kind: checkpoint}", "ideator.model: required, but missing"),
        ("env: digits\nideator: {model: a}", "ideator.kind: required, but missing"),
        ("env: digits\nideator: {kind: library, model: a}", "ideator.model: .*another kind"),
        ("env: digits\nideator: {kind: checkpoint, modell: a}", "did you mean ideator.model"),
        (
            "env: digits\nideator: {kind: checkpoint, model: a, prompt: long}",
            "ideator.prompt: expected one of full, words, brief",
        ),
        ("seed: 1", "env: required, but missing"),
        ("- env", "a recipe is a mapping"),
        ("env: [", "not valid YAML"),
        ("env: digits\n1: 2", r"top level: a key must be a text \(got 1\)"),
        ("env: digits\nproblem: {1: 2}", r"problem: a key must be a text \(got 1\)"),
        ("", "env: required"),
        ("env: digits\nseed: 1\nseed: 2", "the key 'seed' is there twice"),
        ("env: digits\nbudget: {ideas: 1, ideas: 2}", "the key 'ideas' is there twice"),
        ("env: digits\nseed: 12345678901234567890123", "seed: "),
        ("env: digits\nexecutor: {slots: 100000}", "executor.slots: expected `int` <= 4096"),
        ("env: digits\ngrpo: {groups: 2}\nsteps: 4", "a recipe of `ideator-rl train`, and not"),
        ("env: digits\nsteps: 4\nimplementer: {kind: direct}", "a recipe of `ideator-rl train`"),
        ("env: digits\nmodels: [a]", "a recipe of `ideator-rl evaluate`, and not"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "config_x.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=complaint) as error:
        load_recipe(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({1: 2}, "a key of a recipe must be a text (got 1)"),
        ({None: 2}, "a key of a recipe must be a text (got None)"),
        ({"budget": {1: 2}}, "--budget: a key must be a text (got 1)"),
        ({"problem": {True: 2}}, "--problem: a key must be a text (got True)"),
        ({"budget": "{2: 3}"}, "--budget: a key must be a text (got 2)"),
    ],
)
def test_a_key_that_is_no_text_is_one_line(overrides: dict[Any, Any], complaint: str) -> None:
    with pytest.raises(UserError) as error:
        load_recipe(RECIPES / "digits/search/config_evolution.yaml", overrides)
    assert str(error.value) == complaint


def test_a_missing_recipe_says_where_they_live() -> None:
    with pytest.raises(UserError, match=r"no such recipe.*ideator-rl recipes"):
        load_recipe("nowhere.yaml")


@pytest.mark.parametrize(
    ("words", "overrides"),
    [
        (["--a.b", "1", "--c=2"], {"a.b": "1", "c": "2"}),
        (["--a", "--b"], {"a": "--b"}),
        ([], {}),
    ],
)
def test_command_line_overrides(words: list[str], overrides: dict[str, str]) -> None:
    assert parse_overrides(words) == overrides


@pytest.mark.parametrize("words", [["seed"], ["--seed"], ["-s", "1"], ["--"]])
def test_bad_command_line_overrides(words: list[str]) -> None:
    with pytest.raises(UserError):
        parse_overrides(words)


def test_an_option_that_no_command_has_is_not_taken_for_a_key() -> None:
    told = "^--dryrun: no option of this command; a key of the recipe needs a value$"
    with pytest.raises(UserError, match=told):
        parse_overrides(["--seed", "1", "--dryrun"])
