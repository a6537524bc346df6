"""Figures as a reader says them.

number(0.91234), signed(-0.5), share(0.25), duration(75)    # 0.9123 −0.5000 25 % 1 min 15 s
amount(12_345), money(1234.5), several(2, "run")            # 12.3 k 1,234.50 2 runs
"""

from __future__ import annotations


def words(name: str) -> str:
    """A status as a reader says it."""
    return name.replace("_", " ")


def number(value: float) -> str:
    """A reward or metric, to four decimals or five digits."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"


def signed(value: float) -> str:
    """A difference, always with its sign."""
    return ("−" if value < 0 else "+") + number(abs(value))


def share(value: float) -> str:
    """A share of 0 to 1, in percent."""
    return f"{100 * value:.0f} %"


def duration(seconds: float) -> str:
    """Wall time in the two largest units that it has."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def amount(value: float) -> str:
    """A count, or hours, to about three digits."""
    for begin, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        # What rounds up to a unit has that unit.
        if value >= 0.9995 * begin:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def money(value: float) -> str:
    """US dollars, to the hundredth, or to two digits where it is less than that."""
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"


def several(count: int, noun: str) -> str:
    """How many there are of what has a regular plural."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
