"""The page of a training on several problems: what is of all, and what it learnt of each.

    render_several(load_run(Store("store").run("several-grpo-seed0")))

The ideas of each problem are in the report of its own run, to which this page leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ideator_rl.analysis.metrics import Spread, spread
from ideator_rl.analysis.run_data import RunData, TrialData
from ideator_rl.report.chart import HEIGHT, WIDTH, Chart, draw
from ideator_rl.report.page import render_page
from ideator_rl.report.training import (
    Training,
    Trend,
    training,
    trend_span,
    trends,
)

# What a page of one problem shows first.
_OF_EACH = 2


@dataclass(frozen=True)
class ProblemPart:
    """What was learnt of one problem. `link` leads to the report of its run."""

    run: RunData
    link: str
    baseline: Spread | None
    best: TrialData | None
    found: Training | None
    charts: tuple[Chart, ...]
    trends: tuple[Trend, ...]


def render_several(data: RunData) -> str:
    """The whole page."""
    return render_page(
        "several.template.html",
        ("report.css",),
        (),
        run=data,
        training=training(data.steps, None),
        parts=[_part(part, list(data.steps)) for part in data.parts],
        draw=draw,
        box=f"0 0 {WIDTH} {HEIGHT}",
    )


def _part(run: RunData, steps: Sequence[int]) -> ProblemPart:
    baseline = spread(run.search_baseline)
    # On the steps of the whole training: one without a group on this problem is a gap.
    own = {step: run.steps.get(step, {}) for step in steps}
    found = training(own, baseline)
    return ProblemPart(
        run=run,
        link=f"../{run.name}/report.html",
        baseline=baseline,
        best=max((t for t in run.ideas if t.measured), key=lambda t: t.reward, default=None),
        found=found,
        charts=found.charts[:_OF_EACH] if found else (),
        trends=trends(run.steps, trend_span(len(run.steps))),
    )
