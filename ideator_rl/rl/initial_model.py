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
from ideator_rl.rl.objectives.imitated_run import find_examples, has_examples, is_about
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
    """The ideas of another run to imitate, by the name of the run that is to keep them.

    Runs that have kept theirs are left out, so that a start that was interrupted goes on with the
    others. A problem that the other run is not about has no ideas to imitate: an empty list.

    Raises:
        UserError: there is no such run, it is about none of the problems, or nothing in it can be
            imitated here.
    """
    asked = recipe.imitation
    if asked is None or asked.source is None:
        return {}
    source = asked.source
    owns = [(run.beside(part.recipe.run), part.problem) for part in parts]
    missing = [(own, problem) for own, problem in owns if not has_examples(own)]
    about = [is_about(source, own, problem) for own, problem in missing]
    # Where it is about none of them, the search for examples says so.
    unknown = len(missing) == len(owns) and not any(about)
    return {
        own.name: find_examples(source, own, problem, recipe.seed, asked.best)
        if is_one or unknown
        else []
        for (own, problem), is_one in zip(missing, about, strict=True)
    }
