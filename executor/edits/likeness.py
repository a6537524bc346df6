"""How alike two texts are, or two lists of lines: difflib's measure, paid for as work."""

from collections.abc import Iterable, Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate
from typing import TypeVar

from executor.edits.work import spend

LONGEST = 200  # longer lines are equal or not
LEAST = 0.6  # likeness from which a name may have been meant

T = TypeVar("T")


class Matcher(SequenceMatcher[T]):
    """A SequenceMatcher that pays for every pair of equal elements it looks at."""

    a: Sequence[T]
    b: Sequence[T]
    b2j: dict[T, list[int]]

    def set_seq1(self, a: Sequence[T]) -> None:
        super().set_seq1(a)
        self._pairs: list[int] = []

    def set_seq2(self, b: Sequence[T]) -> None:
        super().set_seq2(b)
        self._pairs = []

    def quick_ratio(self) -> float:
        spend((len(self.a) + len(self.b)) // 8)
        return super().quick_ratio()

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        if not self._pairs:
            counts = (len(self.b2j.get(element, ())) for element in self.a)
            self._pairs = [*accumulate(counts, initial=0)]
        end = len(self.a) if ahi is None else ahi
        spend(1 + (end - alo) // 4 + (self._pairs[end] - self._pairs[alo]) // 8)
        return super().find_longest_match(alo, ahi, blo, bhi)


def likeness(a: str, b: str) -> float:
    """From 0 to 1; long texts are equal or not."""
    if a == b:
        return 1.0
    if not a or not b or max(len(a), len(b)) > LONGEST:
        return 0.0
    return Matcher(None, a, b, autojunk=False).ratio()


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that is most like this one; None where none is."""
    matcher = Matcher(None, "", name, autojunk=False)
    best: tuple[float, str] = (LEAST, "")
    for other in names:
        matcher.set_seq1(other)
        if matcher.quick_ratio() >= LEAST:
            best = max(best, (matcher.ratio(), other))
    return best[1] or None
