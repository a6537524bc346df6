"""`ideator-rl train`: fine-tunes an ideator on execution rewards with verl's GRPO."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from executor.errors import UserError
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.terminal.terminal import say, say_json

if TYPE_CHECKING:
    from ideator_rl.rl.train_recipe import TrainRecipe


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train",
        help="fine-tune an ideator on execution rewards (GRPO)",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every key of the recipe can be set here: --steps 60 --seed 1 --grpo.kl 0.001\n"
        "The page of all keys is docs/recipes.md; installed, print it with: "
        "python -m ideator_rl.recipe_keys\n\n"
        "example:\n  ideator-rl train --config digits/qwen3_tiny",
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="RECIPE",
        help="a YAML recipe, or one of `ideator-rl recipes`",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="price the training, and start nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="with --dry-run: print the price as one JSON object"
    )
    parser.set_defaults(execute=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise UserError(
            f"GRPO has one driver process, and accelerate started {processes}; launch with "
            "--num_processes 1 and set verl.trainer.n_gpus_per_node and verl.trainer.nnodes in the "
            "recipe to train on more GPUs"
        )
    from executor import Store
    from ideator_rl.report.report import write_report
    from ideator_rl.rl.train_recipe import read_train_recipe

    recipe = read_train_recipe(args.config, parse_overrides(args.overrides))
    if args.dry_run:
        return _price(recipe, as_json=args.json)
    # Not at the top: a price needs no verl.
    from ideator_rl.rl.launch import train

    model = train(recipe)
    say(f"trained model: {model}\nreport: {write_report(Store(recipe.store).run(recipe.run))}")
    return 0


def _price(recipe: TrainRecipe, *, as_json: bool) -> int:
    """Tells what the training will cost."""
    from executor.workers.local import local_slots
    from ideator_rl.estimate.training import estimate_training, print_training, training_figures
    from ideator_rl.recipe.sections import LocalWorkersSettings, RayWorkersSettings
    from ideator_rl.rl.parts import most_needed, open_parts

    parts, slots = open_parts(recipe), recipe.executor.slots
    here = isinstance(recipe.executor.workers, LocalWorkersSettings | RayWorkersSettings | None)
    if slots is None and here and "RAY_ADDRESS" not in os.environ:
        slots = local_slots(None, *most_needed(parts))
    elif slots is None:
        raise UserError("executor.slots: say how many trials run at a time")
    found = estimate_training(recipe, parts, slots)
    if as_json:
        say_json(training_figures(recipe, found))
    else:
        print_training(recipe, found)
    return 0
