"""Small charts against the step of a training run, drawn as SVG that needs no script.

    chart = Chart("Reward", (1, 2, 3), (Series("mean", (0.2, None, 0.5)),))
    draw(chart)                 # Markup: what is inside an <svg viewBox="0 0 360 176">

A series is drawn as a line, or, in a stacked chart, as bars on top of those before it. What it
looks like is decided by the classes of its elements (`Hue`, `line`, `bars`, `grid`, …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from ideator_rl.report.axis import Axis, margin_of, round_values
from ideator_rl.report.formats import number

WIDTH, HEIGHT = 360, 176
LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 6, 14, HEIGHT - 24
Hue = Literal["ink", "blue", "orange", "green", "pink", "grey"]
# What a script moves to a step.
CURSOR = Markup(
    '<g class="cursor" visibility="hidden"><line y1="{}" y2="{}"/>'
    '<text y="{}" text-anchor="middle"></text></g>'
).format(TOP, BOTTOM, TOP - 3)
_ROOM = 0.06
# Bars that are wider than this, in units of the box, are told apart by a gap.
_GAP_FROM = 3.0
_DASH = 5

Values = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """A value a step, None where it is not known."""

    name: str
    values: Values
    hue: Hue = "blue"
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A value that is the same for every step, with its noise band: mean ± `spread`."""

    name: str
    mean: float
    spread: float = 0.0


@dataclass(frozen=True)
class Chart:
    """Series over the same steps, which rise; `across` is what they are. `unit` is what the axis
    counts, `show` how a value is said. The axis starts at 0 or below unless `fitted`, and ends at
    `top` or above."""

    title: str
    steps: Sequence[int]
    series: tuple[Series, ...]
    unit: str = ""
    show: Callable[[float], str] = number
    level: Level | None = None
    stacked: bool = False
    fitted: bool = False
    top: float | None = None
    across: str = "step"

    def said(self, series: Series) -> list[str]:
        """What a reader is told of a series at every step."""
        return ["–" if value is None else self.show(value) for value in series.values]


def step_positions(steps: Sequence[int]) -> list[float]:
    """Where each step is on the x axis, in units of the box; the same in every chart."""
    axis = _step_axis(steps)
    return [axis.at(step) for step in steps]


def draw(chart: Chart) -> Markup:
    """Axes and series, in a box of WIDTH × HEIGHT; HTML-safe whatever the names are."""
    axis = Axis(*value_range(chart), BOTTOM, TOP, digits=2)
    y = axis.at
    parts = list(_axes(chart, axis))
    if chart.level:
        mean, spread = chart.level.mean, chart.level.spread
        if spread:
            parts.append(
                _element(
                    "rect",
                    "noise",
                    x=LEFT,
                    y=y(mean + spread),
                    width=RIGHT - LEFT,
                    height=round(y(mean - spread) - y(mean + spread), 2),
                )
            )
        parts.append(_element("line", "baseline", x1=LEFT, x2=RIGHT, y1=y(mean), y2=y(mean)))
    parts += _bars(chart, y) if chart.stacked else _lines(chart, y)
    return Markup("\n").join(parts)


def value_range(chart: Chart) -> tuple[float, float]:
    """The ends of the y axis; never equal."""
    if chart.stacked:
        columns = zip(*(series.values for series in chart.series), strict=True)
        values = [sum(max(value or 0.0, 0.0) for value in column) for column in columns]
    else:
        values = [value for s in chart.series for value in s.values if value is not None]
    if chart.level:
        values += [chart.level.mean + sign * chart.level.spread for sign in (-1, 1)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if chart.top is not None:
        high = max(high, chart.top)
    if not chart.fitted:
        low = min(low, 0.0)
    room = margin_of(low, high, _ROOM)
    return (
        low - room if low < 0 or chart.fitted else low,
        high if high == chart.top else high + room,
    )


def _step_axis(steps: Sequence[int]) -> Axis:
    """The x axis: from half a step before the first to half a step beyond the last."""
    edges = _edges(steps)
    return Axis(edges[0], edges[-1], LEFT, RIGHT, digits=2)


def _edges(steps: Sequence[int]) -> list[float]:
    """Where the bar of each step begins, and the end of the last one, in steps."""
    between = [(one + other) / 2 for one, other in pairwise(steps)]
    half = (steps[1] - steps[0]) / 2 if len(steps) > 1 else 0.5
    end = (steps[-1] - steps[-2]) / 2 if len(steps) > 1 else 0.5
    return [steps[0] - half, *between, steps[-1] + end]


def _axes(chart: Chart, axis: Axis) -> Iterator[Markup]:
    for value, label in round_values(axis.low, axis.high, 4, sign="-"):
        y = axis.at(value)
        yield _element("line", "grid", x1=LEFT, x2=RIGHT, y1=y, y2=y)
        short = label if len(label) < 8 else f"{value:.1e}"
        yield _text(LEFT - 6, round(y + 4, 2), "end", short)
    yield _text(LEFT - 6, BOTTOM + 16, "end", chart.across)
    across = _step_axis(chart.steps)
    for value, _ in round_values(across.low, across.high, 5):
        if value.is_integer():
            yield _text(across.at(value), BOTTOM + 16, "middle", f"{value:.0f}")


def _lines(chart: Chart, y: Callable[[float], float]) -> Iterator[Markup]:
    x = step_positions(chart.steps)
    # What is named first is drawn last, on top.
    for series in reversed(chart.series):
        paths = [
            _polyline([(x[i], y(series.values[i] or 0.0)) for i in indexes])
            for indexes in _stretches(series.values)
        ]
        kind = f"line {series.hue}{' dashed' if series.dashed else ''}"
        yield _element("path", kind, d="".join(paths))


def _bars(chart: Chart, y: Callable[[float], float]) -> Iterator[Markup]:
    edges = [*map(_step_axis(chart.steps).at, _edges(chart.steps))]
    below = [0.0] * len(chart.steps)
    for series in chart.series:
        path = ""
        for index, value in enumerate(series.values):
            begin, end = edges[index], edges[index + 1]
            gap = 0.5 if end - begin > _GAP_FROM else 0.0
            above = below[index] + max(value or 0.0, 0.0)
            if above > below[index]:
                foot = y(below[index])
                path += f"M{begin + gap:.2f} {foot}V{y(above)}H{end - gap:.2f}V{foot}Z"
            below[index] = above
        yield _element("path", f"bars {series.hue}", d=path)


def _stretches(values: Values) -> list[list[int]]:
    """The indexes of what is known, in stretches without a gap."""
    found: list[list[int]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if index and values[index - 1] is not None:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    """A path; a single point is a short dash."""
    if len(points) == 1:
        ((x, y),) = points
        return f"M{x - _DASH / 2:.2f} {y}h{_DASH}"
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _text(x: float, y: float, anchor: str, content: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, content)


def _element(tag: str, kind: str, **attributes: float | str) -> Markup:
    listed = Markup("").join(
        Markup(' {}="{}"').format(name, value) for name, value in attributes.items()
    )
    return Markup('<{} class="{}"{}/>').format(tag, kind, listed)
