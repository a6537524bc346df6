"""Do objectives raise the maximum? Arms of learning and of search at equal executions.

    python benchmarks/objectives.py run --env demand --tune      # learning rates, on other seeds
    python benchmarks/objectives.py run --env demand [--arms grpo,best_of_n] [--seeds 0-4]
    python benchmarks/objectives.py write                        # docs/objectives/

A run is one arm with one seed: 640 executions of different codebases, or 20 steps. Its figures are
a line of docs/objectives/<env>.jsonl, and a run that has its line is not done again, so that the
study goes on where it ended. Runs of one seed share their store, and with it the trials of
codebases that another of them had. docs/objectives.md has the plan and says what was found.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from objectives.arms import ARMS, RATES, TUNED, TUNING_ENV, TUNING_SEEDS, arms_named, seeds_of
from objectives.results import Results
from objectives.runs import Study

from executor.errors import UserError

DOCS = Path(__file__).resolve().parents[1] / "docs" / "objectives"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="the runs that are missing")
    run.add_argument("--env", required=True)
    run.add_argument("--arms", help=f"of {', '.join(ARMS)}; by default all")
    run.add_argument("--seeds", help="0-4 or 0,2,7; by default all that are planned")
    run.add_argument("--tune", action="store_true", help="try the learning rates instead")
    run.add_argument("--store", default="store/objectives")
    run.add_argument("--slots", type=int)
    commands.add_parser("write", help="tables and pictures of what there is")
    args = parser.parse_args()
    try:
        if args.command == "run":
            run_missing(args)
        else:
            from objectives.write import write

            write(DOCS)
    except UserError as error:
        sys.exit(f"error: {error}")


def run_missing(args: argparse.Namespace) -> None:
    """Seed by seed, so that what there is compares all arms at any time."""
    if args.tune and args.env != TUNING_ENV:
        raise UserError(f"--tune: the learning rates of all problems are chosen on {TUNING_ENV}")
    results = Results(DOCS / f"{args.env}{'-tuning' if args.tune else ''}.jsonl")
    study = Study(args.env, args.store, args.slots)
    seeds = seeds_of(args.seeds) if args.seeds else None
    if args.tune:
        wanted = [
            (f"{name} {rate:g}", ARMS[name].at(rate), seed)
            for seed in seeds or TUNING_SEEDS
            for name in TUNED
            for rate in RATES
        ]
    else:
        arms = arms_named(args.arms)
        wanted = [
            (name, arm.at(study.rate(DOCS, arm)), seed)
            for seed in (seeds or range(max(arm.seeds for arm in arms.values())))
            for name, arm in arms.items()
            if seed < arm.seeds or seeds
        ]
    for name, arm, seed in wanted:
        if not results.has(name, seed):
            results.add(study.run(name, arm, seed))


if __name__ == "__main__":
    main()
