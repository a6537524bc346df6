"""What a GRPO run begins with: its model, and the ideas of another run that it imitates.

initial_model(recipe)                        # "store/runs/digits-sft-qwen3_tiny-seed0/model"
examples_for(recipe, parts, run)             # the best ideas of `imitation.from`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from executor.store.runs import RunFolder
from ideator_rl.ideators.ideator import Executed
from ideator_rl.rl.failures import RunFailed
from ideator_rl.rl.objectives.imitated_run import find_examples, is_about, kept_examples
from ideator_rl.rl.parts import Part
from ideator_rl.rl.train_recipe import TrainRecipe


def initial_model(recipe: TrainRecipe) -> str:
    """The model that training starts from; a warm start's is made where it is missing."""
    if recipe.model.path is not None:
        return recipe.model.path
    from ideator_rl.sft.recipe import read_warm_start_recipe, run_folder

    assert recipe.model.warm_start is not None
    own = {"store": recipe.store, "seed": str(recipe.seed)}
    model = run_folder(read_warm_start_recipe(recipe.model.warm_start, own)) / "model"
    if not model.exists():
        # A process of its own, whose memory is free again when training begins.
        options = [word for name, value in own.items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "ideator_rl.sft.warm_start"]
        done = subprocess.run([*command, "--config", recipe.model.warm_start, *options])
        if done.returncode:
            raise RunFailed("the warm start did not end well; the same command goes on with it")
    return str(model)


def examples_for(
    recipe: TrainRecipe, parts: Sequence[Part], run: RunFolder
) -> dict[str, list[Executed]]:
    """The ideas of another run to imitate, by the name of the run that is to keep them. Of several
    problems those that the other run is not about have none. Nothing where the recipe names no run,
    or has them kept already. Raises UserError."""
    asked = recipe.imitation
    runs = [run.beside(part.recipe.run) for part in parts]
    if asked is None or asked.source is None or any(map(kept_examples, runs)):
        return {}
    about = {
        part.problem.name: is_about(asked.source, own, part.problem)
        for part, own in zip(parts, runs, strict=True)
    }
    return {
        own.name: find_examples(asked.source, own, part.problem, recipe.seed, asked.best)
        for part, own in zip(parts, runs, strict=True)
        # Where it is about none of them, the first says so.
        if about[part.problem.name] or not any(about.values())
    }
