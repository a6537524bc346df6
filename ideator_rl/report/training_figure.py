"""A picture of one or several GRPO runs for a document: an SVG file that needs nothing else.

    svg = training_figure("GRPO on digits", [load_run(run).steps for run in runs], baseline=None)
    Path("docs/training.svg").write_text(svg)

A curve is the mean of the runs in each step, its band goes from the lowest run to the highest.
Steps that not every run has are left out. The picture brings its own background, so that it looks
the same on a light page and on a dark one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from executor.errors import UserError
from ideator_rl.analysis.metrics import Spread
from ideator_rl.report.chart import HEIGHT, WIDTH, Chart, Level, Series, draw
from ideator_rl.report.formats import number
from ideator_rl.report.training import Steps, baseline_level, column, ends, trend_span

COLUMNS, GAP, EDGE, HEAD, LABEL = 3, 24, 28, 82, 24


class Panel(NamedTuple):
    """What is drawn of a figure of `metrics.jsonl`; its axis ends at `top` or above."""

    key: str
    title: str
    unit: str = ""
    scale: float = 1
    form: str = ".4f"
    top: float | None = None


PANELS = (
    Panel("reward/mean", "Mean reward"),
    Panel("reward/max", "Highest reward of a step"),
    Panel("completed", "Completed", "%", 100, ".0f", 100),
    Panel("ideas/distinct", "Distinct ideas in a step", form=".1f"),
    Panel("ideas/similarity", "Similarity of ideas", "1 = all equal", form=".3f", top=1),
    Panel("length/thinking", "Length of thinking", "tokens", form=".0f"),
)
STYLE = """
text { font: 11px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
text { fill: #5c6068 }
.head { font-size: 17px; font-weight: 600; fill: #1b1d21 }
.title { font-size: 13px; font-weight: 600; fill: #1b1d21 }
.soft { font-size: 13px; font-weight: 400; fill: #5c6068 }
.paper { fill: #fdfdfb; stroke: #deded8 }
.grid { stroke: #deded8 }
.noise { fill: #0a5aa5; fill-opacity: .11 }
.baseline { stroke: #0a5aa5; stroke-width: 1.4; stroke-dasharray: 5 3 }
.line { fill: none; stroke: #c8500a; stroke-width: 2 }
.line { stroke-linejoin: round; stroke-linecap: round }
.band { fill: #c8500a; fill-opacity: .2 }
"""


def training_figure(title: str, runs: Sequence[Steps], baseline: Spread | None) -> str:
    """The picture. Raises UserError where the runs have no step in common or no figure to draw."""
    shared = common_steps(runs)
    charts = [_chart(shared, baseline, panel) for panel in PANELS]
    drawn = [chart for chart in charts if set(chart.series[0].values) - {None}]
    if not drawn:
        raise UserError("these runs have no step in common that could be drawn")
    rows = -(-len(drawn) // COLUMNS)
    width = 2 * EDGE + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    height = HEAD + rows * (LABEL + HEIGHT + GAP)
    key = _key(len(runs), charts[0].level, trend_span(len(drawn[0].steps)))
    panels = (_panel(chart, *divmod(place, COLUMNS)) for place, chart in enumerate(drawn))
    frame = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">'
        "<title>{title}</title><style>{style}</style>"
        '<rect class="paper" x=".5" y=".5" width="{inner_w}" height="{inner_h}" rx="8"/>'
        '\n<text class="head" x="{edge}" y="36">{title}</text>'
        '\n<text class="soft" x="{edge}" y="58">{key}</text>\n{panels}\n</svg>\n'
    )
    return Markup(frame).format(
        w=width,
        h=height,
        inner_w=width - 1,
        inner_h=height - 1,
        title=title,
        style=Markup(STYLE),
        edge=EDGE,
        key=key,
        panels=Markup("\n").join(panels),
    )


def common_steps(runs: Sequence[Steps]) -> list[Steps]:
    """The runs without the steps that not all of them have."""
    common = set.intersection(*map(set, runs)) if runs else set()
    return [{step: line for step, line in steps.items() if step in common} for steps in runs]


def over_runs(runs: Sequence[Steps], name: str, key: str, scale: float = 1.0) -> Series:
    """The mean of a figure over runs that have the same steps, with a band from the lowest of them
    to the highest; a gap where a run lacks the figure."""
    columns = zip(*(column(steps, key, scale) for steps in runs), strict=True)
    whole = [None if None in values else [v for v in values if v is not None] for values in columns]

    def each(of: Callable[[list[float]], float]) -> list[float | None]:
        return [of(values) if values else None for values in whole]

    return Series(name, each(statistics.fmean), "orange", low=each(min), high=each(max))


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


def _chart(runs: Sequence[Steps], baseline: Spread | None, panel: Panel) -> Chart:
    reward = panel.key.startswith("reward/")
    return Chart(
        panel.title,
        tuple(runs[0]) if runs else (),
        (over_runs(runs, panel.title, panel.key, panel.scale),),
        panel.unit,
        lambda value: format(value, panel.form),
        level=baseline_level(baseline) if reward else None,
        fitted=reward,
        top=panel.top,
    )


def _panel(chart: Chart, row: int, column: int) -> Markup:
    """A chart under its title, which says how the mean of the runs changed."""
    (series,) = chart.series
    both = ends(series.values, trend_span(len(chart.steps)))
    trend = f"{chart.show(both[0])} → {chart.show(both[1])}" if both else ""
    x, y = EDGE + column * (WIDTH + GAP), HEAD + row * (LABEL + HEIGHT + GAP)
    return Markup(
        '<g transform="translate({} {})">\n<text class="title" y="16">{} '
        '<tspan class="soft">{}</tspan></text>\n<text class="soft" x="{}" y="16" '
        'text-anchor="end">{}</text>\n<g transform="translate(0 {})">\n{}\n</g></g>'
    ).format(x, y, chart.title, chart.unit, WIDTH - 6, trend, LABEL, draw(chart))


def _key(runs: int, level: Level | None, span: int) -> str:
    """How to read the picture, in words."""
    told = ["one run" if runs == 1 else f"line: mean of {runs} runs, band: lowest to highest"]
    if level:
        noise = f" ± {number(level.spread)} (2 s.d.)" if level.spread else ""
        told.append(f"dashed: the baseline, {number(level.mean)}{noise}")
    if span:
        told.append(
            "a → b: the first step and the last"
            if span == 1
            else f"a → b: means of the first and of the last {span} steps"
        )
    return "; ".join(told)
