"""Draws the curves of one or several GRPO runs as one picture for a document.

    python benchmarks/training_curves.py store/runs/digits-grpo-qwen3_tiny-seed{0,1,2} \
        --out docs/training.svg [--json]

A curve is the mean of the runs, its band goes from the lowest of them to the highest. The baseline
is that of all runs together. `--json` prints every run's means over its first and its last steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from executor import Store
from executor.errors import UserError
from ideator_rl.analysis import RunData, load_run
from ideator_rl.analysis.metrics import spread
from ideator_rl.commands.execute import split_run
from ideator_rl.report.training_figure import common_steps, run_ends, training_figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="STORE/runs/RUN")
    parser.add_argument("--out", type=Path, required=True, help="the SVG file")
    parser.add_argument("--title", help="the picture's heading")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()
    try:
        runs = [load(path) for path in args.runs]
        rewards = [o.reward for run in runs for o in run.baseline.values() if o.completed]
        steps = [run.steps for run in runs]
        picture = training_figure(args.title or title(runs), steps, spread(rewards))
    except UserError as error:
        sys.exit(f"error: {error}")
    args.out.write_text(picture)
    print(args.out, file=sys.stderr)
    if args.json:
        print(json.dumps(run_ends(steps)))


def load(path: str) -> RunData:
    """A run. Raises UserError where it is none, or has no metrics of training."""
    store, name = split_run(path)
    run = load_run(Store(store).run(name))
    if not run.steps:
        raise UserError(f"{path} has no metrics.jsonl, or none with a step: name a GRPO run")
    return run


def title(runs: list[RunData]) -> str:
    """What the runs are, in a line."""
    steps = len(common_steps([run.steps for run in runs])[0])
    answers = {line.get("ideas/count") for run in runs for line in run.steps.values()} - {None}
    each = f" of {answers.pop():.0f} answers" if len(answers) == 1 else ""
    count = f"{len(runs)} runs" if len(runs) > 1 else "one run"
    return f"GRPO on {runs[0].problem or 'a problem'}: {count}, {steps} steps{each}"


if __name__ == "__main__":
    main()
