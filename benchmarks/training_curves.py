"""Draws the curves of one or several GRPO runs as one picture for a document.

    python benchmarks/training_curves.py store/runs/digits-grpo-qwen3_tiny-seed{0,1,2} \
        --out docs/training.svg [--json]

A curve is the mean of the runs in each step, its band goes from the lowest of them to the highest.
The baseline is that of all runs together. Steps that not every run has are left out. The picture
has a white background, so that it looks the same on a light page and on a dark one. `--json` prints
every run's means over its first and its last steps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from executor import Store
from executor.errors import UserError
from ideator_rl.analysis import RunData, load_run
from ideator_rl.analysis.metrics import Spread, spread
from ideator_rl.report.formats import number
from ideator_rl.report.training import Steps, column, ends, trend_span
from ideator_rl.run_path import split_run

COLUMNS = 3
LINE, LEVEL = "#c8500a", "#0a5aa5"
STYLE = {
    # Text stays text, and the same runs make the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "training curves",
    "text.parse_math": False,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5c6068",
    "axes.grid": True,
    "grid.color": "#deded8",
    "text.color": "#1b1d21",
    "xtick.color": "#5c6068",
    "ytick.color": "#5c6068",
}


class Panel(NamedTuple):
    """What is drawn of a figure of `metrics.jsonl`; its axis ends at `top` or above."""

    key: str
    title: str
    scale: float = 1
    form: str = ".4f"
    top: float | None = None


PANELS = (
    Panel("reward/mean", "Mean reward"),
    Panel("reward/max", "Highest reward of a step"),
    Panel("completed", "Completed, %", 100, ".0f", 100),
    Panel("ideas/distinct", "Distinct ideas in a step", form=".1f"),
    Panel("ideas/similarity", "Similarity, 1 = all equal", form=".3f", top=1),
    Panel("length/thinking", "Length of thinking, tokens", form=".0f"),
)


class Curve(NamedTuple):
    """The mean of runs in every step, the lowest and the highest; NaN where one lacks it."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


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
        draw(args.out, args.title or title(runs), steps, spread(rewards))
    except UserError as error:
        sys.exit(f"error: {error}")
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


def common_steps(runs: Sequence[Steps]) -> list[Steps]:
    """The runs without the steps that not all of them have."""
    common = set.intersection(*map(set, runs)) if runs else set()
    return [{step: line for step, line in steps.items() if step in common} for steps in runs]


def over_runs(runs: Sequence[Steps], key: str, scale: float = 1.0) -> Curve:
    """A figure of runs that have the same steps."""
    values = np.array([column(steps, key, scale) for steps in runs], dtype=float)
    # NumPy's means and bounds are NaN where a value is.
    return Curve(values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def run_ends(runs: Sequence[Steps]) -> dict[str, dict[str, list[float]]]:
    """By figure, its means over the first and over the last steps of each run, for those that every
    run has."""
    shared = common_steps(runs)
    found = {}
    for panel in PANELS:
        both = [ends(column(steps, panel.key), trend_span(len(steps))) for steps in shared]
        known = [pair for pair in both if pair]
        if known and len(known) == len(both):
            found[panel.key] = {"first": [a for a, _ in known], "last": [b for _, b in known]}
    return found


def draw(out: Path, heading: str, runs: Sequence[Steps], baseline: Spread | None) -> None:
    """Writes the picture. Raises UserError where the runs have no step in common or no figure to
    draw."""
    shared = common_steps(runs)
    if not shared or not shared[0]:
        raise UserError("these runs have no step in common that could be drawn")
    curves = {panel: over_runs(shared, panel.key, panel.scale) for panel in PANELS}
    drawn = {p: curve for p, curve in curves.items() if not np.isnan(curve.mean).all()}
    if not drawn:
        raise UserError("these runs have no figure that could be drawn")
    rows = -(-len(drawn) // COLUMNS)
    with matplotlib.rc_context(STYLE):
        figure = Figure((11.5, 1.0 + 2.4 * rows), facecolor="white", layout="constrained")
        figure.suptitle(f"{heading}\n\n", x=0.01, ha="left", size=13, weight="bold")
        figure.text(0.01, 1 - 0.5 / figure.get_figheight(), reading(shared, baseline))
        places = figure.subplots(rows, COLUMNS, squeeze=False).flat
        for axes, (panel, curve) in zip(places, drawn.items(), strict=False):
            draw_panel(axes, panel, list(shared[0]), curve, baseline)
        for axes in [*places][len(drawn) :]:
            axes.remove()
        figure.savefig(out, format="svg", metadata={"Date": None, "Title": heading})


def draw_panel(
    axes: Axes, panel: Panel, steps: Sequence[int], curve: Curve, baseline: Spread | None
) -> None:
    """One figure; its title says how the mean of the runs changed."""
    values = [None if np.isnan(value) else value for value in curve.mean]
    both = ends(values, trend_span(len(steps)))
    axes.set_title(panel.title, loc="left", size=10, weight="bold")
    if both:
        axes.set_title(" → ".join(format(end, panel.form) for end in both), loc="right", size=10)
    axes.fill_between(
        steps, curve.low, curve.high, color=LINE, alpha=0.2, linewidth=0, gid=f"band-{panel.key}"
    )
    # A step between two gaps is a point.
    axes.plot(steps, curve.mean, color=LINE, marker=".", markersize=3, gid=f"line-{panel.key}")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("step", color="#5c6068")
    if panel.key.startswith("reward/"):
        if baseline:
            noise = 2 * (baseline.sd or 0.0)
            level = baseline.mean
            axes.axhspan(level - noise, level + noise, color=LEVEL, alpha=0.11, linewidth=0)
            axes.axhline(
                level, color=LEVEL, linewidth=1.2, linestyle="--", gid=f"baseline-{panel.key}"
            )
        return
    axes.set_ylim(0.0, max(panel.top or 0.0, axes.get_ylim()[1]))


def reading(runs: Sequence[Steps], baseline: Spread | None) -> str:
    """How to read the picture, in words."""
    count, span = len(runs), trend_span(len(runs[0]))
    told = ["one run" if count == 1 else f"line: mean of {count} runs, band: lowest to highest"]
    if baseline:
        noise = f" ± {number(2 * baseline.sd)} (2 s.d.)" if baseline.sd else ""
        told.append(f"dashed: the baseline, {number(baseline.mean)}{noise}")
    if span:
        steps = f"means of the first and of the last {span} steps"
        told.append(f"a → b: {'the first step and the last' if span == 1 else steps}")
    return "; ".join(told)


if __name__ == "__main__":
    main()
