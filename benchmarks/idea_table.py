"""Executes a problem's library once and writes what each idea measured as a Markdown table.

    python benchmarks/idea_table.py --env digits --write docs/ideas-digits.md [--json]

The baseline runs with many seeds, spread over the measurement. The speed of a shared machine
drifts, and with it what a CPU second buys: each idea is compared with the two baseline runs nearest
in time, and the noise is what remains of the baseline's runs when they are compared alike.
Results are kept in the store, so that a table that was interrupted goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from executor import Executor, Outcome
from gym_envs import find_problem
from ideator_rl.check.check import run_library
from ideator_rl.ideators.library import Atom, default_values, load_library


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", required=True)
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--store", default="store")
    parser.add_argument("--write", type=Path, help="the Markdown file")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()

    problem = find_problem(args.env)
    atoms = load_library(problem.library)
    run = f"check-{problem.name}-{problem.version}"
    with Executor(problem, store=args.store, run=run, slots=args.slots) as executor:
        baselines, outcomes = run_library(executor, atoms, args.seeds)
        slots = executor.slots

    metric = problem.file.reward.metric
    rest = [_change(one, [o for o in baselines if o is not one], metric) for one in baselines]
    # A difference to the mean of two has 3/2 of the variance of one measurement.
    noise = math.sqrt(statistics.fmean(change**2 for change in rest) / 1.5)
    values = [outcome.metrics[metric] for outcome in baselines]
    mean, spread = statistics.fmean(values), statistics.stdev(values)
    name, budget = problem.name, problem.file.budget
    text = f"""# The library of `{name}`, measured

Every idea of `{problem.library.name}` executed once with its first values,
{budget.seconds:g} {budget.kind} seconds a trial, {slots} trials at a time, one core each.
The baseline's {metric} over {len(values)} seeds, spread over the measurement, is
{mean:.4f} (s.d. {spread:.4f}, the drift of a shared machine included). Changes are against
the two baseline runs nearest in time; in the same way the baseline's own runs differ by
s.d. {noise:.4f}, the unit of the last column. Written by
`python benchmarks/idea_table.py --env {name} --write docs/ideas-{name}.md`.

| idea | values | status | {metric} | change | in s.d. |
| --- | --- | --- | --- | --- | --- |
"""
    rows = sorted(zip(atoms, outcomes, strict=True), key=lambda row: -row[1].reward)
    for atom, outcome in rows:
        text += _row(atom, outcome, baselines, metric, noise)
    if args.write:
        args.write.write_text(text)
    else:
        print(text)
    if args.json:
        measured = {atom.id: outcome.metrics.get(metric) for atom, outcome in rows}
        print(json.dumps({"mean": mean, "noise": noise, metric: measured}))


def _change(outcome: Outcome, baselines: Sequence[Outcome], metric: str) -> float:
    """The metric against the mean of the two baseline runs nearest in time."""
    nearest = sorted(baselines, key=lambda other: abs(other.finished_at - outcome.finished_at))
    return outcome.metrics[metric] - statistics.fmean(o.metrics[metric] for o in nearest[:2])


def _row(
    atom: Atom, outcome: Outcome, baselines: Sequence[Outcome], metric: str, noise: float
) -> str:
    values = ", ".join(f"{name} {value}" for name, value in default_values(atom).items())
    figures = " | | "
    if outcome.completed:
        change = _change(outcome, baselines, metric)
        figures = f"{outcome.metrics[metric]:.4f} | {change:+.4f} | {change / noise:+.1f}"
    return f"| {atom.id} | {values} | {outcome.status.replace('_', ' ')} | {figures} |\n"


if __name__ == "__main__":
    main()
