"""`ideator-rl train`: fine-tunes an ideator on execution rewards with verl's GRPO."""

from __future__ import annotations

import argparse
import os

from executor.errors import UserError
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.terminal.terminal import say


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
    from ideator_rl.rl.launch import train
    from ideator_rl.rl.train_recipe import read_train_recipe

    recipe = read_train_recipe(args.config, parse_overrides(args.overrides))
    model = train(recipe)
    say(f"trained model: {model}\nreport: {write_report(Store(recipe.store).run(recipe.run))}")
    return 0
