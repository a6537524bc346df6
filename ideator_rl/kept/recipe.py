"""A run keeps its recipe; the same run again must be the same science.

keep_recipe(store.run(recipe.run), recipe)
"""

from __future__ import annotations

import yaml

from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.kept.plugins import keep_plugins
from ideator_rl.recipe.read import as_recipe
from ideator_rl.recipe.recipe import Recipe


def keep_recipe(run: RunFolder, recipe: Recipe) -> None:
    """Keeps the resolved recipe, see `check_recipe`, and where its plug-ins come from."""
    check_recipe(run.recipe(), recipe)
    keep_plugins(run, recipe)
    run.write_recipe(recipe.to_yaml())


def check_recipe(kept: str | None, recipe: Recipe, advice: str = "--run") -> None:
    """Raises UserError where a run was started with another recipe than it has: what differs by
    design (the budget, the hardware) may. `advice` is the option that names another run."""
    if kept is None:
        return
    try:
        before = as_recipe(yaml.safe_load(kept), type(recipe), "recipe.yaml").science()
    except (UserError, yaml.YAMLError):
        raise UserError(
            f"the run {recipe.run} was started by another command, or its recipe.yaml is damaged; "
            f"choose another name with {advice}"
        ) from None
    now = recipe.science()
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise UserError(
                f"the run {recipe.run} was started with {key}: {before.get(key)}, now it is "
                f"{now.get(key)}; set it back, or choose another name with {advice}"
            )
