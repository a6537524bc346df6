from __future__ import annotations

from pathlib import Path

import pytest

from executor.errors import UserError
from ideator_rl.rl.objectives.entropy_hold import EntropyHoldSettings
from ideator_rl.rl.objectives.imitation import ImitationSettings
from ideator_rl.rl.train_recipe import (
    TrainedModelSettings,
    TrainRecipe,
    read_train_recipe,
    run_paths,
)

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("*/grpo/*.yaml")), ids=lambda p: f"{p.parents[1].name}-{p.stem}"
)
def test_every_shipped_recipe_is_valid_and_named_after_its_folder(path):
    recipe = read_train_recipe(path)
    env = {"nanogpt_tiny": "nanogpt-tiny"}.get(path.parents[1].name, path.parents[1].name)
    assert recipe.env == env
    assert recipe.run == f"{env}-grpo-{path.stem.removeprefix('config_')}-seed0"
    if recipe.model.warm_start:
        assert Path(recipe.model.warm_start).is_file()


def test_the_command_line_sets_any_key():
    path = RECIPES / "digits/grpo/config_qwen3_tiny.yaml"
    overrides = {"steps": "7", "grpo.kl": "1e-2", "store": "elsewhere"}
    recipe = read_train_recipe(path, overrides)
    assert (recipe.steps, recipe.grpo.kl, recipe.store) == (7, 0.01, "elsewhere")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"grpo.learningrate": "1"}, "grpo.learningrate: unknown key; did you mean grpo.learning_"),
        ({"grpo.group_size": "1"}, "grpo.group_size: expected `int` >= 2 (got 1)"),
        ({"steps": "0"}, "steps: expected `int` >= 1 (got 0)"),
        ({"profile": "tpu"}, "profile: "),
        ({"model.path": "x"}, "set either `path` or `warm_start`"),
        ({"ideator.kind": "library"}, "ideator: train updates the weights of a checkpoint"),
        ({"imitation.weight": "-1"}, "imitation.weight: expected `float` > 0.0 (got -1)"),
        ({"imitation.best": "0"}, "imitation.best: expected `int` >= 1 (got 0)"),
        ({"imitation.form": "x"}, "imitation.form: unknown key; did you mean imitation.from?"),
        ({"imitation.best": "8", "answer.max_turns": "2"}, "imitation: an idea of a later turn"),
        ({"entropy_hold.unseen": "1.5"}, "entropy_hold.unseen: expected `float` <= 1.0 (got 1.5)"),
        ({"entropy_hold.unseen": "-0.1"}, "entropy_hold.unseen: expected `float` >= 0.0"),
        ({"signal.bonus": "-1"}, "signal.bonus: expected `float` >= 0.0 (got -1)"),
        ({"signal.duplicates": "x"}, "signal.duplicates: expected one of keep, fail, split, bonus"),
        ({"prompts.kind": "last"}, "prompts.kind: expected one of fixed, random, best, puct"),
        ({"prompts.base": "parent"}, "prompts.base: parent changes the code of an idea that"),
        ({"prompts.base": "last"}, "prompts.base: expected one of baseline, parent (got 'last')"),
    ],
)
def test_what_is_wrong_is_one_line(overrides, words):
    with pytest.raises(UserError) as error:
        read_train_recipe(RECIPES / "digits/grpo/config_qwen3_tiny.yaml", overrides)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_science_of_a_run_is_its_model_answers_objective_and_verl_block():
    first = TrainRecipe(env="digits", run="a", steps=1)
    start = TrainedModelSettings(warm_start="x/../sft/config_a.yaml")
    elsewhere = TrainedModelSettings(warm_start="/y/sft/config_a.yaml")
    assert (
        TrainRecipe(env="digits", run="a", model=start).science()
        == TrainRecipe(env="digits", run="a", model=elsewhere).science()
    )
    assert TrainRecipe(env="digits", run="b", steps=9, profile="gpu").science() == first.science()
    other = TrainRecipe(env="digits", run="a", verl={"data": {"shuffle": False}})
    assert other.science() != first.science()


def test_what_is_imitated_and_held_is_science_wherever_the_store_lies():
    first = TrainRecipe(env="digits", run="a")
    held = TrainRecipe(env="digits", run="a", entropy_hold=EntropyHoldSettings())
    named, by_path, other = (
        TrainRecipe(env="digits", run="a", imitation=ImitationSettings(source=source))
        for source in ("searched", "/moved/store/runs/searched", "trained")
    )
    assert named.science() == by_path.science()
    sciences = [recipe.science() for recipe in (first, held, named, other)]
    assert all(a != b for i, a in enumerate(sciences) for b in sciences[:i])


def test_weights_of_a_store_in_a_bucket_need_a_local_folder():
    recipe = TrainRecipe(env="digits", run="a", store="s3://bucket/store")
    with pytest.raises(UserError, match=r"set --checkpoint\.folder"):
        run_paths(recipe)
