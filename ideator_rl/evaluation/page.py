"""The page of an evaluation: one HTML file that needs nothing but a browser, and no script at all.

    page = render_evaluation(from_json(Path("results/results.json").read_bytes()))

Ideas and titles are written by language models, so they are hostile: the template escapes all of
them, and the page's own policy lets no script run and nothing be fetched.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from executor.store.open import open_storage
from executor.store.storage import Storage
from ideator_rl.analysis.paired_bootstrap import Difference
from ideator_rl.evaluation.figures import (
    MODELS,
    Comparison,
    Evaluation,
    SourceFigures,
    curve_csv,
    from_json,
    to_json,
)
from ideator_rl.report.axis import Axis, axis_of
from ideator_rl.report.page import render_page
from ideator_rl.report.report import REPORT, SHAPES

RESULTS = "results.json"
BINS = 30
# Colours and marks that tell rows apart; a row beyond them shares one.
KINDS = 5
CURVE_HEIGHT = 300
LONGEST_NAME = 48
# Shares of the width, in percent: where the axis begins and ends.
_LEFT, _RIGHT = 6.0, 98.5


@dataclass(frozen=True)
class Curve:
    """A row's line through `points`, with `marks` (x, y, k, value) at the asked k."""

    points: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, float, int, float], ...]


@dataclass(frozen=True)
class CurvePlot:
    """best@k against k, k on a logarithmic axis: x in percent of the width, y in pixels."""

    curves: tuple[Curve, ...]
    baseline: float
    band: tuple[float, float] | None
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Bar:
    """`count` ideas with rewards from `low` to `high`; x, width and height are in percent."""

    x: float
    width: float
    height: float
    count: int
    low: float
    high: float


@dataclass(frozen=True)
class Histograms:
    """The bars of each row on one axis; `baseline` and ticks in percent of the width."""

    rows: tuple[tuple[Bar, ...], ...]
    baseline: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Whiskers:
    """Where differences lie, in percent of the width; an interval is None where there is none."""

    zero: float
    rows: tuple[tuple[float, tuple[float, float] | None], ...]
    ticks: tuple[tuple[float, str], ...]


def render_evaluation(found: Evaluation) -> str:
    """The whole page."""
    drawn = [row for row in found.rows if row.kind != "baseline"]
    return render_page(
        "evaluation.template.html",
        ("report.css", "evaluation.css"),
        (),
        found=found,
        head=found.header,
        rows=drawn,
        kinds=KINDS,
        model_kinds=MODELS,
        marks=list(SHAPES.values()),
        shapes=SHAPES,
        curve=curve_plot(drawn, found.baseline, found.header.k),
        height=CURVE_HEIGHT,
        histograms=histograms(drawn, found.baseline),
        forests=[whiskers(comparison) for comparison in found.comparisons],
        short=short_names([row.name for row in found.rows]),
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names as a table has room for them: a long one without its middle, as paths differ at their
    ends, unless it would look like another."""
    half = LONGEST_NAME // 2
    cut = {n: n if len(n) <= LONGEST_NAME else f"{n[: half - 1]}…{n[-half:]}" for n in names}
    seen = Counter(cut.values())
    return {name: shown if seen[shown] == 1 else name for name, shown in cut.items()}


def write_evaluation(out: Storage, found: Evaluation) -> str:
    """Writes results.json, curve.csv and report.html; returns the page's path or URL."""
    out.write(RESULTS, to_json(found))
    out.write("curve.csv", curve_csv(found).encode())
    out.write(REPORT, render_evaluation(found).encode())
    return f"{out.url}/{REPORT}"


def rewrite_evaluation(url: str) -> str | None:
    """Writes a folder's page again; None where no evaluation has ended there."""
    out = open_storage(url)
    results = out.read(RESULTS)
    return None if results is None else write_evaluation(out, from_json(results))


def curve_plot(
    rows: Sequence[SourceFigures], baseline: SourceFigures, sizes: Sequence[int]
) -> CurvePlot:
    """The curves of the rows; the band is the baseline's mean ± 2 s.d. over its seeds."""
    most = max(row.n for row in rows)
    reach = 2 * (baseline.mean.error or 0.0) * math.sqrt(baseline.n)
    level = baseline.mean.value
    values = [value for row in rows for value in row.curve] + [level - reach, level + reach]
    across = Axis(0.0, math.log(most) or 1.0, _LEFT, _RIGHT)
    upwards = axis_of(values, 0.06, CURVE_HEIGHT, 0.0, digits=2)
    y = upwards.at

    def x(k: float) -> float:
        return across.at(math.log(k))

    # As many points as the eye can tell apart on a logarithmic axis.
    steps = sorted({round(2 ** (step / 8)) for step in range(8 * most.bit_length() + 1)} | {most})
    powers = [4**step for step in range(most.bit_length()) if 4**step <= most]
    return CurvePlot(
        curves=tuple(
            Curve(
                tuple((x(k), y(row.curve[k - 1])) for k in steps if k <= row.n),
                tuple((x(k), y(value), k, value) for k, value in row.best_at_k.items()),
            )
            for row in rows
        ),
        baseline=y(level),
        band=(y(level + reach), y(level - reach)) if reach else None,
        x_ticks=tuple((x(k), str(k)) for k in sorted({*powers, *sizes}) if k <= most),
        y_ticks=upwards.ticks(6, sign="-"),
    )


def histograms(rows: Sequence[SourceFigures], baseline: SourceFigures) -> Histograms:
    """Equal bins over the rewards of whatever completed; bars are shares of the row's ideas."""
    level = baseline.mean.value
    rewards = [
        [result.reward for result in row.results if result.status == "completed"] for row in rows
    ]
    axis = axis_of([level, *(value for row in rewards for value in row)], 0.02)
    low, width = axis.low, (axis.high - axis.low) / BINS

    bins = [Counter(min(int((v - low) / width), BINS - 1) for v in row) for row in rewards]
    tallest = max(
        (n / row.n for row, b in zip(rows, bins, strict=True) for n in b.values()), default=1
    )

    def bar(row: SourceFigures, place: int, count: int) -> Bar:
        begin, end = low + width * place, low + width * (place + 1)
        height = round(100 * count / row.n / tallest, 2)
        return Bar(axis.at(begin), round(100 / BINS, 3), height, count, begin, end)

    return Histograms(
        rows=tuple(
            tuple(bar(row, place, count) for place, count in sorted(counts.items()))
            for row, counts in zip(rows, bins, strict=True)
        ),
        baseline=axis.at(level),
        ticks=axis.ticks(6, sign="-"),
    )


def whiskers(comparison: Comparison) -> Whiskers:
    """The differences of a comparison on one axis that holds all of them and 0."""
    differences = list(comparison.differences.values())
    ends = [end for d in differences for end in (d.value, d.low, d.high) if end is not None]
    axis = axis_of([0.0, *ends], 0.05)
    at = axis.at

    def interval(d: Difference) -> tuple[float, float] | None:
        return None if d.low is None or d.high is None else (at(d.low), at(d.high))

    return Whiskers(
        zero=at(0.0),
        rows=tuple((at(d.value), interval(d)) for d in differences),
        ticks=axis.ticks(5),
    )
