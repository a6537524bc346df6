"""What something has cost: requests, tokens and money, and seconds of slots.

    >>> spent = Cost(calls=1, money=0.02) + Cost(slot_s=30.0)
    >>> spent.money, spent.slot_s
    (0.02, 30.0)
    >>> total([spent, spent]).calls
    2.0

Money is in US dollars.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from executor.records import Record


@dataclass(frozen=True)
class Cost(Record):
    """Requests with their tokens and money, and seconds of slots. `other` are the tokens of
    attempts that failed or were cancelled, whose kind nobody has told."""

    calls: float = 0.0
    input: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0
    output: float = 0.0
    other: float = 0.0
    money: float = 0.0
    slot_s: float = 0.0

    def __add__(self, more: Cost) -> Cost:
        return Cost(*map(sum, zip(astuple(self), astuple(more), strict=True)))

    def times(self, factor: float) -> Cost:
        return Cost(*(factor * value for value in astuple(self)))

    @property
    def prompt(self) -> float:
        """Tokens of questions, cached or not."""
        return self.input + self.cache_read + self.cache_write

    @property
    def tokens(self) -> float:
        return self.prompt + self.output + self.other


NOTHING = Cost()


def total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, NOTHING)
