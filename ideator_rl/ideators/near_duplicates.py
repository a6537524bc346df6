"""Finds ideas that repeat earlier ones: normalised texts and a cheap similarity.

    >>> known = NearDuplicates(["[Experiment] Raise the learning rate to 0.02."])
    >>> known.find("**Experiment:** raising the learning rate to 2e-2")
    '[Experiment] Raise the learning rate to 0.02.'
    >>> known.find("[Experiment] Raise the learning rate to 0.05.")     # None: another value

Two texts are near duplicates when they name the same numbers and the same names of code, and when
their other words, endings and stop words aside, are nearly the same set. Case, Markdown,
punctuation and order do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# The Jaccard index |A ∩ B| / |A ∪ B| of two texts' words from which on they are the same idea.
SAME = 0.8

_NUMBER = re.compile(r"(?<![\w.])(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?(?!\w)", re.IGNORECASE)
# Accents over accents are sorted in quadratic time: a text is normalised piece by piece.
_PIECE = re.compile(r"\s+|\S{1,64}")
_WORD = re.compile(r"\w+(?:[._]\w+)*")
_CODE = re.compile(r"[\d._]")
_CAPITAL = re.compile(r"(?<=\w)[A-Z]")
_ENDING = re.compile(r"(?:ing|ed|es|e|s)$")
# With the labels of an idea's parts.
_STOP_WORDS = frozenset(
    _WORD.findall(
        "experiment code changes end a an and are as at be but by can do for from has have if in "
        "is it its of on or so than that the their them then there these this to use we which "
        "while will with would"
    )
)


class Features(NamedTuple):
    """The features of a text that are compared."""

    exact: frozenset[str]
    words: frozenset[str]


class NearDuplicates:
    """Texts to compare others with; a look-up compares with those that share all names only."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._known: defaultdict[frozenset[str], list[tuple[frozenset[str], str]]] = defaultdict(
            list
        )
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        exact, words = features(text)
        self._known[exact].append((words, text))

    def find(self, text: str) -> str | None:
        """The first known text that is a near duplicate; None where there is none."""
        exact, words = features(text)
        return next(
            (known for theirs, known in self._known.get(exact, ()) if _alike(words, theirs)), None
        )


@lru_cache(maxsize=2048)
def features(text: str) -> Features:
    """Numbers and names of code, which must be equal, and the stems of the other words."""
    text = "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))
    numbers = {f"{float(number):.6g}" for number in _NUMBER.findall(text)}
    words = _WORD.findall(_NUMBER.sub(" ", text))
    names = {word.casefold() for word in words if _CODE.search(word)}
    # In a text that is mostly capitals they tell no names.
    if 2 * sum(map(str.isupper, text)) < sum(map(str.isalnum, text)):
        names |= {word.casefold() for word in words if _CAPITAL.search(word)}
    rest = {word.casefold() for word in words} - names - _STOP_WORDS
    return Features(frozenset(numbers | names), frozenset(map(_stem, rest)))


def _stem(word: str) -> str:
    return _ENDING.sub("", word) if len(word) > 4 else word


def _alike(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    both = len(ours & theirs)
    return both >= SAME * (len(ours) + len(theirs) - both)
