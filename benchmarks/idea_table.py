"""Executes a problem's library once and writes what each idea measured as a Markdown table.

    python benchmarks/idea_table.py --env digits --write docs/ideas-digits.md [--json]

The baseline runs with several seeds, spread over the measurement; their standard deviation is the
unit of the last column.
Results are kept in the store, so that a table that was interrupted goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from executor import Executor, Outcome
from gym_envs import find_problem
from ideator_rl.check import run_library
from ideator_rl.ideators.library import Atom, default_values, load_library


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", required=True)
    parser.add_argument("--seeds", type=int, default=5)
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
    values = [outcome.metrics[metric] for outcome in baselines]
    mean, noise = statistics.fmean(values), statistics.stdev(values)
    budget = problem.file.budget
    text = f"""# The library of `{problem.name}`, measured

Every idea of `{problem.library.name}` executed once with its first values,
{budget.seconds:g} {budget.kind} seconds a trial, {slots} trials at a time, one core each. The baseline's {metric} over
{len(values)} seeds, spread over the measurement, is {mean:.4f}, s.d. {noise:.4f}; the last column is
the change in units of that s.d. Written by
`python benchmarks/idea_table.py --env {problem.name} --write docs/ideas-{problem.name}.md`.

| idea | values | status | {metric} | change | in s.d. |
| --- | --- | --- | --- | --- | --- |
"""
    rows = sorted(zip(atoms, outcomes, strict=True), key=lambda row: -row[1].reward)
    text += "".join(_row(atom, outcome, metric, mean, noise) for atom, outcome in rows)
    if args.write:
        args.write.write_text(text)
    else:
        print(text)
    if args.json:
        measured = {atom.id: outcome.metrics.get(metric) for atom, outcome in rows}
        print(json.dumps({"mean": mean, "sd": noise, metric: measured}))


def _row(atom: Atom, outcome: Outcome, metric: str, mean: float, noise: float) -> str:
    values = ", ".join(f"{name} {value}" for name, value in default_values(atom).items())
    if outcome.completed:
        change = outcome.metrics[metric] - mean
        figures = f"{outcome.metrics[metric]:.4f} | {change:+.4f} | {change / noise:+.1f}"
    else:
        figures = " | | "
    return f"| {atom.id} | {values} | {outcome.status.replace('_', ' ')} | {figures} |\n"


if __name__ == "__main__":
    main()
