"""`ideator-rl recipes`: the recipes that come with the package, one line each."""

from __future__ import annotations

import argparse

from ideator_rl.recipe.bundled import COMMANDS, bundled_recipes
from ideator_rl.terminal.terminal import say


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "recipes", help="list the recipes that come with the package", description=__doc__
    )
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    for kind, command in COMMANDS.items():
        say(f"{command} --config …")
        for recipe in bundled_recipes(kind):
            say(f"  {recipe.name:24} {recipe.about}")
        say()
    say("Every key of a recipe: python -m ideator_rl.recipe_keys")
    return 0
