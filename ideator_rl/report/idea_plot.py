"""The axes of the plot of ideas, which plot.js draws: reward against ideas or wall time.

    axes = plot_axes(rewards, means, baseline, times)
    axes["reward"]["fitted"]["ticks"], axes["time"]["name"]

Ticks are values with their labels: how many pixels there are is known in the browser only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ideator_rl.analysis.metrics import Spread
from ideator_rl.report.axis import axis_of, round_values

_REWARD_TICKS, _NARROW_TICKS, _WIDE_TICKS = 6, 4, 8
_ROOM, _MOST = 0.07, 1e300
# By the seconds from which on it is used: what time is told in.
_UNITS = ((10_800, 3600, "hours"), (180, 60, "minutes"), (0, 1, "seconds"))


def plot_axes(
    rewards: Sequence[float],
    means: Sequence[float],
    baseline: Spread | None,
    times: Sequence[float],
) -> dict[str, Any]:
    """The axes, for JSON.

    Args:
        rewards: of the ideas that have one.
        means: of confirmed ideas on fresh seeds.
        baseline: its rewards.
        times: of every idea, when it ended, in seconds.

    Returns:
        `reward`, `fitted` to the ideas that are worth a look and `whole`, None where that is the
        same; `count` and `time`, with the ticks of a narrow page and of a wide one.
    """
    last = max(times, default=0.0)
    unit, name = next((unit, name) for least, unit, name in _UNITS if last >= least)
    fitted, whole = _reward_ranges(sorted(rewards), means, baseline)
    return {
        "reward": {"fitted": _reward_axis(fitted), "whole": whole and _reward_axis(whole)},
        "count": {"name": "ideas executed", **_across(len(times), 1, integers=True)},
        "time": {"name": f"wall time, {name}", **_across(last, unit)},
    }


def _reward_ranges(
    rewards: Sequence[float], means: Sequence[float], baseline: Spread | None
) -> tuple[list[float], list[float] | None]:
    """What the fitted axis holds, and the whole one. A few hopeless ideas must not squash the rest:
    they are drawn as arrows at the lower edge."""
    noise = 2 * (baseline.sd or 0.0) if baseline else 0.0
    floor = [baseline.mean - noise, baseline.mean + noise] if baseline else []
    whole = [*rewards, *floor]
    if not whole:
        return [0.0, 1.0], None
    low, high = min(whole), max([*whole, *means])
    quartile = rewards[len(rewards) // 4] if rewards else low
    spread = high - min([quartile, *floor[:1]])
    fence = min([high - 2.5 * spread, *floor[:1]])
    if spread <= 0 or low >= fence:
        return [low, high], None
    bottom = min([next((reward for reward in rewards if reward >= fence), low), *floor])
    return [bottom, high], [low, high]


def _reward_axis(ends: Sequence[float]) -> dict[str, Any]:
    # Ends and room must stay finite for JSON, whatever was measured.
    axis = axis_of([min(max(end, -_MOST), _MOST) for end in ends], _ROOM)
    ticks = round_values(axis.low, axis.high, _REWARD_TICKS, sign="-")
    return {"low": axis.low, "high": axis.high, "ticks": ticks}


def _across(last: float, unit: float, *, integers: bool = False) -> dict[str, Any]:
    """From 0 to `last`, with ticks in some unit."""
    last = last or 1.0

    def ticks(count: int) -> list[tuple[float, str]]:
        values = round_values(0.0, last / unit, count, sign="-")
        return [(v * unit, label) for v, label in values if float(v).is_integer() or not integers]

    return {"last": last, "narrow": ticks(_NARROW_TICKS), "wide": ticks(_WIDE_TICKS)}
