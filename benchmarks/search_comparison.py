"""The search methods on one problem at equal budget, over several seeds.

    python benchmarks/search_comparison.py --write docs/search-comparison.md [--json]

Every search runs `--ideas` ideas of the same library ideator with the same trial seed; only the
algorithm differs, and for the rows "on parents" whose codebase an idea changes. After each search
its best codebase runs again with `--fresh` other seeds: that mean is free of the luck that made it
the best, and is what the table compares.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path

from executor import Executor
from gym_envs import find_problem
from ideator_rl.ideators.library import LibraryIdeator, load_library
from ideator_rl.recipe.read import parse_recipe
from ideator_rl.search.loop import search
from ideator_rl.search.methods import METHODS

FIRST_FRESH_SEED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", default="digits")
    parser.add_argument("--ideas", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--fresh", type=int, default=3)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--store", default="store")
    parser.add_argument("--write", type=Path, help="the Markdown file")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()

    found: dict[str, list[dict[str, float]]] = {name: [] for name in SEARCHES}
    # Seed by seed, so that a machine that slows down favours none.
    for seed in range(args.seeds):
        for name in SEARCHES:
            found[name].append(measure(name, seed, args))
    table = f"""# Searches at equal budget

`{args.env}`, {args.ideas} ideas a search, {args.seeds} seeds, the library ideator for all.
With *on parents* an idea changes its parent's codebase (`search.base: parent`).
*Best reward* is the best first measurement of a search; *confirmed* is the mean of that codebase
over {args.fresh} fresh seeds, failures counted as they are; ± is the standard deviation over the
searches. Written by `python benchmarks/search_comparison.py --write docs/search-comparison.md`.

| search | best reward | confirmed | gain over the baseline | completed | above the baseline |
| --- | --- | --- | --- | --- | --- |
"""
    for name, rows in found.items():
        cells = [spread([row[column] for row in rows]) for column in COLUMNS]
        table += f"| {name} | " + " | ".join(cells) + " |\n"
    if args.write:
        args.write.write_text(table)
    else:
        print(table)
    if args.json:
        print(json.dumps(found))


# By the name of their row, the section `search` of their recipes.
SEARCHES: dict[str, dict[str, str]] = {
    **{method: {"method": method} for method in METHODS},
    "evolution on parents": {"method": "evolution", "base": "parent"},
    "islands on parents": {"method": "islands", "base": "parent"},
}
COLUMNS = ("best", "confirmed", "gain", "completed", "above")


def measure(name: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    """One search, and its best codebase again with fresh seeds."""
    problem = find_problem(args.env)
    run = f"compare-{problem.name}-{name.replace(' ', '-')}-seed{seed}"
    recipe = parse_recipe(
        {
            "env": args.env,
            "run": run,
            "seed": seed,
            "search": SEARCHES[name],
            "budget": {"ideas": args.ideas},
        },
        __file__,
    )
    ideator = LibraryIdeator(load_library(problem.library))
    with Executor(
        problem, store=args.store, run=run, slots=args.slots, seed=seed, max_ideas=args.ideas
    ) as executor:
        result = asyncio.run(search(recipe, executor, ideator, lambda idea, outcome: None))
        assert result.best is not None
        fresh = range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + args.fresh)
        futures = [executor.submit(result.best.idea, seed=other) for other in fresh]
        confirmed = statistics.fmean(future.result().reward for future in futures)
    rewards = [entry.outcome.reward for entry in result.executed]
    row = {
        "best": result.best.outcome.reward,
        "confirmed": confirmed,
        "gain": confirmed - result.baseline,
        "completed": sum(entry.outcome.completed for entry in result.executed) / len(rewards),
        "above": sum(reward > result.baseline for reward in rewards) / len(rewards),
    }
    told = {column: round(value, 4) for column, value in row.items()}
    print(name, seed, told, file=sys.stderr)
    return row


def spread(values: list[float]) -> str:
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


if __name__ == "__main__":
    main()
