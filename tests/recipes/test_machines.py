"""The recipes whose trials need GPUs fit the machines that their headers name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gym_envs import find_problem
from ideator_rl.evaluation.recipe import EvaluationRecipe
from ideator_rl.recipe.read import read_recipe
from ideator_rl.recipe.recipe import ExecutingRecipe, SearchRecipe
from ideator_rl.recipe.sections import LocalWorkersSettings
from ideator_rl.rl.parts import most_needed, open_parts
from ideator_rl.rl.train_recipe import TrainRecipe

RECIPES = Path(__file__).parents[2] / "recipes"
KINDS = (SearchRecipe, TrainRecipe, EvaluationRecipe)
CASES = [(path, kind) for kind in KINDS for path in sorted(RECIPES.glob(f"*/{kind.folder}/*.yaml"))]
MACHINES = re.compile(r"^# Machines: (\d+) x (\d+) GPUs", re.MULTILINE)


def gpus_of_trainer(recipe: ExecutingRecipe) -> int:
    if not isinstance(recipe, TrainRecipe):
        return 0
    trainer = recipe.verl.get("trainer", {})
    return trainer.get("n_gpus_per_node", 1) * trainer.get("nnodes", 1)


@pytest.mark.parametrize(("path", "kind"), CASES, ids=lambda value: getattr(value, "stem", None))
def test_trials_and_trainer_fit_the_machines_of_the_header(
    path: Path, kind: type[ExecutingRecipe]
) -> None:
    recipe = read_recipe(path, kind)
    if isinstance(recipe, TrainRecipe):
        _, of_trial = most_needed(open_parts(recipe))
    else:
        of_trial = find_problem(recipe.env, recipe.problem).file.resources.gpus
    named = MACHINES.findall(path.read_text())
    if not of_trial:
        assert not named
        return
    [(nodes, of_node)] = [tuple(map(int, words)) for words in named]
    slots, trainer = recipe.executor.slots, gpus_of_trainer(recipe)
    assert slots is not None, (
        "a trial's GPUs are paid for: the recipe says how many trials there are"
    )
    is_local = isinstance(recipe.executor.workers, LocalWorkersSettings | None)
    if is_local and kind is not TrainRecipe:
        assert nodes == 1
    by_turns = kind is TrainRecipe and recipe.executor.workers is not None and is_local
    free = nodes * of_node if by_turns else nodes * of_node - trainer
    # Of a node that the trainer shares with trials, the rest is theirs.
    whole, rest = divmod(free, of_node)
    assert slots <= whole * (of_node // of_trial) + rest // of_trial
    assert trainer <= nodes * of_node


def test_every_recipe_of_a_gpu_problem_is_among_them() -> None:
    named = [path for path, _ in CASES if MACHINES.search(path.read_text())]
    assert len(named) >= 12
