"""A chart's axis: its ends around some values, places along it, and round ticks with labels.

axis = axis_of([0.41, 0.47], room=0.05)
axis.at(0.44)                           # 50.0: in percent of the way, or to a `length`
axis.ticks(6)                           # [(3.03, "+0.41"), …]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """From value `low`, drawn at `begin`, to value `high`, drawn at `end`.

    Args:
        low, high: the values at the ends, which differ.
        begin, end: where they are drawn, in the chart's own unit; percent by default. The end of a
            vertical axis is above its beginning: `begin` is larger.
        digits: decimal digits of a place.
    """

    low: float
    high: float
    begin: float = 0.0
    end: float = 100.0
    digits: int = 3

    def at(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.begin + (self.end - self.begin) * share, self.digits)

    def ticks(self, count: int, sign: str = "+") -> tuple[tuple[float, str], ...]:
        """The places of about `count` round values, each with its label; see `round_values`."""
        values = round_values(self.low, self.high, count, sign)
        return tuple((self.at(value), label) for value, label in values)


def axis_of(
    values: Sequence[float], room: float, begin: float = 0.0, end: float = 100.0, digits: int = 3
) -> Axis:
    """An axis that holds `values` (at least one), with `room` at both ends as a share of their
    range."""
    low, high = min(values), max(values)
    margin = margin_of(low, high, room)
    return Axis(low - margin, high + margin, begin, end, digits)


def margin_of(low: float, high: float, room: float) -> float:
    """A share of a range, and something above 0 where the range is empty."""
    return room * (high - low) or abs(high) * 0.1 or 1.0


def round_values(low: float, high: float, count: int, sign: str = "+") -> list[tuple[float, str]]:
    """About `count` round values from `low` to `high`, each with its label; `sign` is `+` where
    positive values have theirs, `-` where only negative ones do. A range that floating point cannot
    divide has none."""
    rough = (high - low) / count
    if not sys.float_info.min <= rough < math.inf:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    steps = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [
        (n * step, f"{n * step:{sign}.{digits}f}".replace("-", "−") if n else "0") for n in steps
    ]
