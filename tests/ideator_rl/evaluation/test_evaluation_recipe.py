"""What an evaluation is asked for: by a recipe, by options, or by both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from executor.errors import UserError
from ideator_rl.evaluation.recipe import (
    EvaluationRecipe,
    model_labels,
    read_evaluation,
    row_labels,
)
from ideator_rl.recipe.read import as_recipe

RECIPES = Path(__file__).parents[3] / "recipes"
ASKED = {"env": "digits", "models": ["a", "b"]}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/eval/*.yaml")), ids=str)
def test_every_shipped_recipe_loads_and_round_trips(path: Path) -> None:
    recipe = read_evaluation(str(path), {})
    assert as_recipe(yaml.safe_load(recipe.to_yaml()), EvaluationRecipe, path) == recipe
    assert recipe.sandbox == "strict" and len(row_labels(recipe)) == 2


def test_options_alone_are_enough() -> None:
    recipe = read_evaluation(None, ASKED)
    assert (recipe.n, recipe.sizes, recipe.sandbox) == (64, (1, 4, 16, 64), "strict")
    assert (recipe.run, recipe.out_url) == ("digits-eval-seed0", "store/runs/digits-eval-seed0")
    assert read_evaluation(None, ASKED | {"n": 20}).sizes == (1, 4, 16)
    assert read_evaluation(None, ASKED | {"n": 9, "k": [9, 1, 3, 3]}).sizes == (1, 3, 9)


def test_options_come_on_top_of_a_recipe() -> None:
    path = str(RECIPES / "digits/eval/config_qwen3_tiny.yaml")
    recipe = read_evaluation(path, {"n": 8, "k": [8]}, {"executor.baseline_seeds": "5"})
    assert (recipe.env, recipe.n, recipe.k) == ("digits", 8, (8,))
    assert recipe.executor.baseline_seeds == 5
    assert recipe.run == "digits-eval-qwen3_tiny-seed0"


@pytest.mark.parametrize(
    ("given", "store", "run", "out"),
    [
        ({"out": "there/runs/mine/"}, "there", "mine", "there/runs/mine/"),
        ({"out": "there/runs/mine", "store": "s"}, "s", "mine", "there/runs/mine"),
        ({"out": "results"}, "store", "results", "results"),
        ({"out": "/tmp/my results!"}, "store", "my-results", "/tmp/my results!"),
        ({"out": ".."}, "store", "digits-eval-seed0", ".."),
        ({"out": "007", "store": "1e3"}, "1e3", "007", "007"),
        ({"store": "s"}, "s", "digits-eval-seed0", "s/runs/digits-eval-seed0"),
    ],
)
def test_where_everything_lies(given: dict[str, str], store: str, run: str, out: str) -> None:
    recipe = read_evaluation(None, ASKED | given)
    assert (recipe.store, recipe.run, recipe.out_url) == (store, run, out)
    assert read_evaluation(None, ASKED | given, {"run": "own"}).run == "own"


def test_trials_have_seeds_that_no_training_has() -> None:
    recipes = [read_evaluation(None, ASKED | {"seed": seed}) for seed in (0, 1)]
    assert [recipe.trial_seed for recipe in recipes] == [500_000, 500_001]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"k": [65]}, "k: the best of 65 takes at least as many ideas, and n is 64; raise n"),
        ({"n": 8, "k": [1, 16]}, "the best of 16"),
        ({"n": 0}, "n: expected `int` >= 1"),
        ({"k": [0]}, "k.* expected `int` >= 1"),
        ({"models": []}, "models: name at least one, or a language model under apis"),
        ({"plugins": {"library": {"name": "x"}}}, "plugins: 'library' names no row of its own"),
        ({"plugins": {"mine": {}}}, "plugins.name: required, but missing"),
        ({"models": ["a", "a"]}, "models: a is there twice"),
        ({"models": ["baseline"]}, r"models: baseline is a row of its own; write \./baseline"),
        ({"prompt": "long"}, "prompt: expected one of full, words, brief"),
        ({"max_tokens": 0}, "max_tokens: expected `int` >= 1"),
        ({"temperature": -1}, "temperature: expected `float` >= 0"),
        ({"model": "a"}, "model: unknown key; did you mean models?"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        read_evaluation(None, ASKED | given)
    assert "\n" not in str(error.value)


def test_what_is_needed_is_said() -> None:
    for missing, told in (("env", "required, but missing"), ("models", "name at least one")):
        given = {name: value for name, value in ASKED.items() if name != missing}
        with pytest.raises(UserError, match=f"evaluate: {missing}: {told}"):
            read_evaluation(None, given)


@pytest.mark.parametrize(
    ("models", "labels"),
    [
        (("s/runs/sft/model", "s/runs/grpo/model"), ("sft", "grpo")),
        (("a/runs/x/model", "b/runs/x/model"), ("a/runs/x", "b/runs/x")),
        (("model",), ("model",)),
        (("/", "."), ("/", ".")),
        (("x/library", "./baseline"), ("./library", "./baseline")),
        (("org/name", "other/name"), ("org/name", "other/name")),
    ],
)
def test_rows_are_called_by_what_tells_models_apart(
    models: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    found = model_labels(models)
    assert tuple(found.values()) == labels and tuple(found) == models
