"""What is shown of a GRPO run's steps: its curves, and how its end compares with its start.

    found = training(data.steps, baseline_spread(data))
    [chart.title for chart in found.charts]            # ["Reward", "What became of answers", …]

Steps are those of `metrics.jsonl` (`analysis/metrics_file.py`); whatever a step lacks is a gap.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ideator_rl.analysis.metrics import Spread
from ideator_rl.report.chart import Chart, Hue, Level, Series, Values, step_positions
from ideator_rl.report.formats import duration, number, share, signed

Steps = Mapping[int, Mapping[str, float]]

# Of a longer run every second, third, … step is drawn, so that the page stays small.
MAX_STEPS = 1000
# A trend compares the means of this many steps, or of a third of a shorter run.
TREND_STEPS = 5
# Axes need digits to spare: what is larger is a gap, what is smaller is 0.
_LARGEST, _SMALLEST = 1e100, 1e-100


@dataclass(frozen=True)
class Trend:
    """The mean of a figure over the first and over the last steps of a run, as they are said."""

    name: str
    first: str
    last: str


@dataclass(frozen=True)
class Training:
    """A run of `total` steps with `answers` answers, of which `lost` could not be executed.

    The charts show every `stride`-th step and the last; a trend's ends are means over `span` steps.
    """

    charts: tuple[Chart, ...]
    trends: tuple[Trend, ...]
    total: int
    stride: int
    answers: int
    lost: int
    span: int


def training(steps: Steps, baseline: Spread | None) -> Training | None:
    """What is shown of a run; None where there is nothing to draw."""
    stride, drawn = drawn_steps(steps)
    shown = charts(drawn, baseline)
    if not shown:
        return None
    span = trend_span(len(steps))
    return Training(
        charts=shown,
        trends=trends(steps, span),
        total=len(steps),
        stride=stride,
        answers=_sum(steps, "ideas/count"),
        lost=_sum(steps, "lost"),
        span=span,
    )


def drawn_steps(steps: Steps) -> tuple[int, Steps]:
    """Every how manieth step is drawn, and those steps."""
    stride = max(1, -(-len(steps) // MAX_STEPS))
    return stride, {step: steps[step] for step in list(steps)[::-1][::stride][::-1]}


def reward_chart(steps: Steps, title: str, key: str, baseline: Spread | None) -> Chart:
    """How a reward goes on; `key` begins the names of its figures."""
    return Chart(
        title,
        tuple(steps),
        (
            Series("mean", column(steps, f"{key}/mean"), "blue"),
            Series("max of the step", column(steps, f"{key}/max"), "orange"),
            Series("best so far", column(steps, f"{key}/best"), "ink"),
        ),
        level=baseline_level(baseline),
        fitted=True,
    )


def charts(steps: Steps, baseline: Spread | None) -> tuple[Chart, ...]:
    """The curves of one run, without those for which it has no value."""

    def line(name: str, key: str, hue: Hue = "blue", scale: float = 1.0) -> Series:
        return Series(name, column(steps, key, scale), hue)

    x = tuple(steps)
    found = (
        reward_chart(steps, "Reward", "reward", baseline),
        replace(reward_chart(steps, "Gain, all problems", "gain", None), unit="of noise"),
        Chart(
            "What became of answers",
            x,
            (
                line("completed", "completed", "blue", 100),
                line("not implemented", "stopped/implement", "pink", 100),
                line("training failed", "stopped/train", "orange", 100),
                line("examination failed", "stopped/examine", "green", 100),
            ),
            "%",
            _percent,
            stacked=True,
            top=100.0,
        ),
        Chart(
            "Distinct in a step",
            x,
            (
                line("ideas", "ideas/distinct"),
                line("codebases", "codebases/distinct", "orange"),
                replace(line("answers", "ideas/count", "grey"), dashed=True),
            ),
            "",
            _count,
        ),
        Chart(
            "Similarity of ideas",
            x,
            (line("mean of all pairs", "ideas/similarity"),),
            "1 = all equal",
            _digits,
            top=1.0,
        ),
        Chart(
            "Length",
            x,
            (line("thinking", "length/thinking"), line("idea", "length/idea", "orange")),
            "tokens",
            _count,
        ),
        Chart("Entropy", x, (line("policy", "actor/entropy"),), "nats a token", _digits),
        Chart(
            "Codebases that never ran before",
            x,
            (
                line("of all answers", "codebases/new", "blue", 100),
                line("of those with code", "entropy/unseen", "orange", 100),
            ),
            "%",
            _percent,
            top=100.0,
        ),
        Chart("Entropy coefficient", x, (line("in force", "entropy/coefficient"),), "", _digits),
        Chart(
            "Log-likelihood of what is imitated",
            x,
            (line("mean", "imitation/log_likelihood"),),
            "nats a token",
            _digits,
            fitted=True,
        ),
        Chart("KL divergence", x, (line("from the start", "actor/kl"),), "nats a token", _digits),
        Chart(
            "Time of a step",
            x,
            (
                line("generate", "time/generate"),
                line("execute", "time/execute", "orange"),
                line("update", "time/update", "green"),
                Series("other", [_other_time(figures) for figures in steps.values()], "grey"),
            ),
            "seconds",
            duration,
            stacked=True,
        ),
        Chart(
            "Executor busy",
            x,
            (line("first answer to last outcome", "executor/busy", "blue", 100),),
            "% of slot time",
            _percent,
            top=100.0,
        ),
    )
    known = (
        replace(chart, series=tuple(s for s in chart.series if set(s.values) - {None}))
        for chart in found
    )
    return tuple(chart for chart in known if chart.series)


def trends(steps: Steps, span: int) -> tuple[Trend, ...]:
    """How the figures that tell of learning changed, from the first `span` steps to the last."""
    told: tuple[tuple[str, str, Callable[[float], str]], ...] = (
        ("mean reward", "reward/mean", number),
        ("mean gain", "gain/mean", signed),
        ("completed", "completed", share),
        ("distinct ideas", "ideas/distinct", lambda value: f"{value:.1f}"),
        ("similarity", "ideas/similarity", _digits),
        ("thinking tokens", "length/thinking", _count),
    )
    known = ((name, show, ends(column(steps, key), span)) for name, key, show in told)
    return tuple(Trend(name, show(both[0]), show(both[1])) for name, show, both in known if both)


def ends(values: Values, span: int) -> tuple[float, float] | None:
    """The means of the first and of the last `span` values; None where nothing is known of one."""
    first, last = ([v for v in end if v is not None] for end in (values[:span], values[-span:]))
    if not span or not first or not last:
        return None
    return statistics.fmean(first), statistics.fmean(last)


def trend_span(steps: int) -> int:
    """Over how many steps an end of a trend is a mean; 0 for fewer than three steps."""
    return min(TREND_STEPS, steps // 3)


def baseline_level(baseline: Spread | None) -> Level | None:
    """The baseline in a chart of rewards: its mean ± 2 s.d."""
    return Level("baseline", baseline.mean, 2 * (baseline.sd or 0.0)) if baseline else None


def column(steps: Steps, key: str, scale: float = 1.0) -> list[float | None]:
    """A figure in every step, None where a step lacks it."""
    return [drawable(figures.get(key), scale) for figures in steps.values()]


def script_data(found: Training) -> dict[str, object]:
    """What the page says of the step under the pointer: x positions, and every value by chart,
    series and step."""
    steps = found.charts[0].steps
    return {
        "steps": steps,
        "x": step_positions(steps),
        "values": [[chart.said(series) for series in chart.series] for chart in found.charts],
    }


def _sum(steps: Steps, key: str) -> int:
    return round(sum(value or 0.0 for value in column(steps, key)))


def drawable(value: float | None, scale: float = 1.0) -> float | None:
    """A value that an axis can have, else None."""
    if value is None or abs(value) > _LARGEST:
        return None
    return scale * value if abs(value) > _SMALLEST else 0.0


def _other_time(figures: Mapping[str, float]) -> float | None:
    """What a step took beyond its parts: checkpoints, and verl's own bookkeeping."""
    whole = figures.get("time/step")
    parts = sum(figures.get(f"time/{part}", 0.0) for part in ("generate", "execute", "update"))
    return None if whole is None else drawable(max(0.0, whole - parts), 1.0)


def _percent(value: float) -> str:
    return f"{value:.0f} %"


def _count(value: float) -> str:
    return f"{value:.0f}"


def _digits(value: float) -> str:
    return f"{value:.3g}"
