"""Where the dots and whiskers of confirmed gains lie: a forest plot, in percent of its width.

    plot = forest(confirmation, baseline_sd=0.004)
    plot.zero, plot.rows["000-004"].mean, plot.ticks     # (12.5, 61.3, ((12.5, "0.00"), …))

The template draws it, so that it needs no script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ideator_rl.analysis.confirmed import Confirmation
from ideator_rl.report.axis import axis_of

_TICKS = 6


@dataclass(frozen=True)
class Whisker:
    """Positions of an idea: its first measurement (None where that was on another problem), mean
    and trials, and the whisker's ends."""

    first: float | None
    mean: float
    trials: tuple[float, ...]
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Forest:
    """`zero` is the baseline, `floor` its ± 2 s.d. (None where unknown), `ticks` carry labels."""

    zero: float
    floor: tuple[float, float] | None
    ticks: tuple[tuple[float, str], ...]
    rows: Mapping[str, Whisker]


def forest(found: Confirmation, baseline_sd: float | None) -> Forest | None:
    """The plot of a confirmation that is done; None where no idea has a gain.

    The axis holds everything of the ideas whose trials all completed; the whiskers of the others,
    stretched by failure rewards, may leave it.
    """
    shown = {idea.idea_id: (idea, idea.gain) for idea in found.ideas if idea.gain}
    if not shown:
        return None
    spread = 2 * baseline_sd if baseline_sd else 0.0
    values = [-spread, 0.0, spread]
    for idea, gain in shown.values():
        base = idea.mean - gain.value
        values += [] if idea.first is None else [idea.first - base]
        if not idea.failures:
            values += [reward - base for reward in idea.rewards]
            values += [end for end in (gain.low, gain.high) if end is not None]
    axis = axis_of(values, room=0.04)
    at = axis.at
    rows = {
        name: Whisker(
            first=None if idea.first is None else at(idea.first - idea.mean + gain.value),
            mean=at(gain.value),
            trials=tuple(at(reward - idea.mean + gain.value) for reward in idea.rewards),
            low=None if gain.low is None else at(gain.low),
            high=None if gain.high is None else at(gain.high),
        )
        for name, (idea, gain) in shown.items()
    }
    floor = (at(-spread), at(spread)) if spread else None
    return Forest(at(0.0), floor, axis.ticks(_TICKS), rows)
