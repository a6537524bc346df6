"""`ideator-rl search`: one search, from a recipe; the same command again resumes it."""

from __future__ import annotations

import argparse

from executor.sandbox import choose_ahead
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.recipe.read import load_recipe


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "search",
        help="search for ideas that beat a problem's baseline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Every key of the recipe can be set here: --budget.ideas 40 --seed 1 --store DIR\n"
        "The page of all keys is docs/recipes.md; installed, print it with: "
        "python -m ideator_rl.recipe_keys\n\n"
        "example:\n  ideator-rl search --config digits/evolution --budget.ideas 40",
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="RECIPE",
        help="a YAML recipe, or one of `ideator-rl recipes`",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="price the search, and start nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(execute=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    recipe = load_recipe(args.config, parse_overrides(args.overrides))
    if not args.dry_run:
        choose_ahead(recipe.sandbox)
    # Not at the top: the sandbox is tested beside these imports, which take as long.
    from ideator_rl.commands.run_search import price_search, run_search

    return (price_search if args.dry_run else run_search)(recipe, as_json=args.json)
