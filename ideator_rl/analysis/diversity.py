"""How different the texts of a batch are: how many distinct ones, how alike on the average.

    >>> distinct(["a b", "a  b", "c"])
    2
    >>> mean_similarity(["steps are small", "steps are small"])
    1.0

Pure functions of texts; the order of the texts does not matter.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from itertools import combinations, count

GRAM = 3
_TOKEN = re.compile(r"\w+|[^\w\s]")

Gram = tuple[str, ...]


def distinct(texts: Iterable[str]) -> int:
    """How many different texts there are; runs of white space count as one blank."""
    return len({" ".join(text.split()) for text in texts})


def mean_similarity(texts: Iterable[str]) -> float | None:
    """The mean of `similarity` over all pairs of texts, 0 to 1; None for fewer than two texts.

    Equal texts are as alike as can be: a batch of copies has 1. Takes O(n²) set operations in the
    number of distinct texts, some seconds for 512 ideas of 500 tokens.
    """
    # Sets of small numbers are compared several times as fast as sets of tuples.
    numbers: defaultdict[Gram, int] = defaultdict(count().__next__)
    counts = Counter(frozenset(numbers[gram] for gram in _grams(text)) for text in texts)
    size = counts.total()
    if size < 2:
        return None
    copies = sum(n * (n - 1) / 2 for n in counts.values())
    others = sum(
        ours * theirs * _jaccard(one, other)
        for (one, ours), (other, theirs) in combinations(counts.items(), 2)
    )
    return (copies + others) / (size * (size - 1) / 2)


def similarity(one: str, other: str) -> float:
    """How alike two texts are, 0 to 1: the Jaccard index |A ∩ B| / |A ∪ B| of their token 3-grams.

    A token is a word or a single mark. A text of fewer than three tokens is one gram, itself, so
    that equal texts have 1, empty ones included.
    """
    return _jaccard(_grams(one), _grams(other))


def _grams(text: str) -> set[Gram]:
    tokens = _TOKEN.findall(text)
    ends = range(GRAM, max(len(tokens), GRAM) + 1)
    return {tuple(tokens[end - GRAM : end]) for end in ends}


def _jaccard(one: Set[object], other: Set[object]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)
