"""The curves of the study: the best reward so far by executions of different codebases.

draw(runs, Path("docs/objectives/demand.svg"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from objectives.arms import ARMS, CHOSEN, EXECUTIONS
from objectives.figures import POINTS, Figures

COLOURS = {"grpo": "#c8500a", CHOSEN: "#0a5aa5", "best_of_n": "#5c6068", "evolution": "#1c7c3c"}
STYLE: Any = {
    # Text stays text, and the same runs make the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "objectives",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(runs: Sequence[Figures], path: Path) -> None:
    """The mean over runs, and a band of one standard error for the main arms. A run that executes
    nothing new any more keeps its best."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        low = min(run.confirmed.baseline for run in runs)
        for name in [name for name in ARMS if any(run.arm == name for run in runs)]:
            best_RP = np.array([curve(run) for run in runs if run.arm == name])
            mean_P = best_RP.mean(axis=0)
            colour = COLOURS.get(name)
            axes.plot(
                POINTS,
                mean_P,
                label=name,
                color=colour or "#b9bcc2",
                linewidth=2 if colour else 1,
                zorder=2 if colour else 1,
            )
            if colour and len(best_RP) > 1:
                error_P = best_RP.std(axis=0, ddof=1) / len(best_RP) ** 0.5
                axes.fill_between(
                    POINTS, mean_P - error_P, mean_P + error_P, color=colour, alpha=0.2, lw=0
                )
            if not colour:
                axes.annotate(
                    name,
                    (EXECUTIONS, mean_P[-1]),
                    xytext=(3, 0),
                    textcoords="offset points",
                    fontsize=6,
                    va="center",
                    color="#5c6068",
                )
        axes.axhline(low, color="#1b1d21", lw=0.8, ls=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks((*POINTS[:7], 128, 256, 640), [*map(str, POINTS[:7]), "128", "256", "640"])
        axes.set_ylim(bottom=low - 0.02)
        axes.set_xlabel("executions of different codebases")
        axes.set_ylabel("best reward so far, mean over runs")
        handles, labels = axes.get_legend_handles_labels()
        main = [i for i, label in enumerate(labels) if label in COLOURS]
        axes.legend([handles[i] for i in main], [labels[i] for i in main], frameon=False)
        figure.savefig(path, metadata={"Date": None})


def curve(run: Figures) -> list[float]:
    """The best reward at each of POINTS."""
    return [
        max((best for ran, best in run.curve.items() if ran <= point), default=0.0)
        for point in POINTS
    ]
