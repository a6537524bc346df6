"""Curves of several runs on one scale, drawn as SVG that needs no script.

    chart = CurveChart("by slot time", "slot hours", (Line("1", 0, ((0.0, 0.4), (1.0, 0.5)), 2.0),))
    draw_curves(chart)              # Markup: what is inside an <svg viewBox="0 0 360 260">

A line has a colour of its own up to HUES of them and a number at its end in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ideator_rl.analysis.run_curves import Steps
from ideator_rl.report.axis import Axis, axis_of, margin_of, round_values
from ideator_rl.report.chart import Level

WIDTH, HEIGHT = 360, 260
LEFT, RIGHT, TOP, BOTTOM = 52, WIDTH - 22, 10, HEIGHT - 40
HUES = 7
_ROOM, _TEXT = 0.06, 11
# Below the baseline, a part of the range above it is shown: how a run began says little.
_BELOW = 0.25


@dataclass(frozen=True)
class Line:
    """Group `number` (from 0) with its `label`: `points` are joined, as steps where they are what
    was best so far, which goes on up to `end`. `band` has a low and a high value a point."""

    label: str
    number: int
    points: Steps
    end: float | None = None
    band: Sequence[tuple[float, float]] = ()
    confirmed: bool = False


@dataclass(frozen=True)
class CurveChart:
    """`across` is what the horizontal axis counts, `up` the vertical one. With a `level`, the
    baseline, the axis is fitted to what lies near it or above; else it holds everything."""

    title: str
    across: str
    lines: tuple[Line, ...]
    up: str = "reward"
    level: Level | None = None
    top: float | None = None


def draw_curves(chart: CurveChart) -> Markup:
    """Axes with their names, the level, and the lines; HTML-safe whatever the names are."""
    x, y = _axes(chart)
    parts = list(_frame(chart, x, y))
    for line in reversed(chart.lines):
        parts += _drawn(line, x, y)
    parts += _labels(chart.lines, x, y)
    return Markup("\n").join(parts)


def _axes(chart: CurveChart) -> tuple[Axis, Axis]:
    xs = [x for line in chart.lines for x, _ in line.points]
    xs += [line.end for line in chart.lines if line.end is not None]
    last = max(xs, default=0.0) or 1.0
    # Steps are counted from where they begin, and what a run has taken from 0.
    first = min(xs, default=0.0) if any(line.end is None for line in chart.lines) else 0.0
    across = Axis(first if first < last else last - 1.0, last, LEFT, RIGHT, digits=2)
    values = [value for line in chart.lines for _, value in line.points]
    values += [end for line in chart.lines for ends in line.band for end in ends]
    if chart.top is not None:
        return across, Axis(0.0, chart.top, BOTTOM, TOP, digits=2)
    if chart.level is None:
        return across, axis_of(values or [0.0], _ROOM, BOTTOM, TOP, digits=2)
    mean, spread = chart.level.mean, chart.level.spread
    high = max([mean + spread, *values])
    low = max(min([mean - spread, *values]), min(mean - spread, mean - _BELOW * (high - mean)))
    room = margin_of(low, high, _ROOM)
    return across, Axis(low - room, high + room, BOTTOM, TOP, digits=2)


def _frame(chart: CurveChart, x: Axis, y: Axis) -> Iterator[Markup]:
    if chart.level:
        mean, spread = chart.level.mean, chart.level.spread
        if spread:
            top, foot = y.at(mean + spread), y.at(max(mean - spread, y.low))
            yield Markup('<rect class="noise" x="{}" y="{}" width="{}" height="{:.2f}"/>').format(
                LEFT, top, RIGHT - LEFT, foot - top
            )
    for place, label in y.ticks(5, sign="-"):
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            LEFT, RIGHT, place, place
        )
        yield _text(LEFT - 6, place + 4, "end", label)
    whole = any(line.end is None for line in chart.lines)
    for value, label in round_values(x.low, x.high, 5, sign="-"):
        if whole and not value.is_integer():
            continue
        place, label = x.at(value), f"{value:.0f}" if whole else label
        yield Markup('<line class="tick" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            place, place, BOTTOM, BOTTOM + 4
        )
        yield _text(place, BOTTOM + 16, "middle", label)
    yield Markup('<line class="foot" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        LEFT, RIGHT, BOTTOM, BOTTOM
    )
    yield _text((LEFT + RIGHT) / 2, HEIGHT - 6, "middle", chart.across)
    middle = (TOP + BOTTOM) / 2
    yield Markup(
        '<text x="10" y="{}" text-anchor="middle" transform="rotate(-90 10 {})">{}</text>'
    ).format(middle, middle, chart.up)
    if chart.level:
        place = y.at(chart.level.mean)
        yield Markup('<line class="baseline" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            LEFT, RIGHT, place, place
        )


def _drawn(line: Line, x: Axis, y: Axis) -> Iterator[Markup]:
    if not line.points:
        return

    def at(value: float) -> float:
        return y.at(min(max(value, y.low), y.high))

    def path(values: Sequence[float]) -> str:
        xs = [x.at(place) for place, _ in line.points]
        ys = [at(value) for value in values]
        text = f"M{xs[0]} {ys[0]}"
        for place, value in zip(xs[1:], ys[1:], strict=True):
            text += f"L{place} {value}" if line.end is None else f"H{place}V{value}"
        return text if line.end is None else f"{text}H{x.at(line.end)}"

    kind = f"g{line.number % HUES}{' confirmed' if line.confirmed else ''}"
    if line.band:
        edge = [*zip(line.points, line.band, strict=True)]
        xs = [*(place for (place, _), _ in edge), *([line.end] if line.end is not None else [])]
        lows, highs = ([ends[i] for _, ends in edge] for i in (0, 1))
        yield Markup('<path class="band {}" d="{}"/>').format(
            kind, _area([x.at(place) for place in xs], [*map(at, lows)], [*map(at, highs)])
        )
    d = path([value for _, value in line.points])
    yield Markup('<path class="curve {}" d="{}"><title>{}</title></path>').format(
        kind, d, line.label
    )


def _area(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> str:
    """Between two curves: of steps where there is one more place than values."""
    if len(xs) == len(lows):
        points = [*zip(xs, highs, strict=True), *zip(xs[::-1], lows[::-1], strict=True)]
        return "M" + "L".join(f"{px} {py}" for px, py in points) + "Z"
    upper = "".join(f"V{high}H{end}" for high, end in zip(highs, xs[1:], strict=True))
    lower = "".join(f"V{low}H{begin}" for low, begin in zip(lows[::-1], xs[-2::-1], strict=True))
    return f"M{xs[0]} {highs[0]}{upper}{lower}Z"


def _labels(lines: Sequence[Line], x: Axis, y: Axis) -> Iterator[Markup]:
    """The numbers of groups at the ends of their lines, moved apart where they would touch."""
    ends = [
        (y.at(min(max(line.points[-1][1], y.low), y.high)), line)
        for line in lines
        if line.points and not line.confirmed
    ]
    last = float(TOP - _TEXT)
    for place, line in sorted(ends, key=lambda end: end[0]):
        last = max(place, last + _TEXT)
        end = line.points[-1][0] if line.end is None else line.end
        yield Markup('<text class="number g{}" x="{}" y="{:.2f}">{}</text>').format(
            line.number % HUES, x.at(end) + 4, last + 4, line.number + 1
        )


def _text(x: float, y: float, anchor: str, content: str) -> Markup:
    return Markup('<text x="{:g}" y="{:g}" text-anchor="{}">{}</text>').format(
        x, y, anchor, content
    )
