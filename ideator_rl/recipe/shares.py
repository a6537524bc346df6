"""Who comes when, where several take turns by weights: a sequence without end and without chance.

    >>> shares = Shares([2.0, 1.0], seed=0)
    >>> [shares.at(number) for number in range(6)]
    [0, 1, 0, 0, 1, 0]

After any number of turns everybody has had the weighted share of them, but for less than one turn:
the chairman assignment of Tijdeman (1980, Discrete Mathematics 32). The seed says who comes first
where that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random


class Shares:
    """`at` gives the index of a weight."""

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        # Exact, so that the sequence is the same on every machine.
        exact = [Fraction(weight) for weight in weights]
        self._shares = [weight / sum(exact) for weight in exact]
        self._order = Random(seed).sample(range(len(weights)), len(weights))
        self._slack = Fraction(1, max(2, 2 * len(weights) - 2))
        # By index how many turns it still has to come, less those that it was given too many.
        self._due = [Fraction(0) for _ in weights]
        self._turns: list[int] = []

    def at(self, number: int) -> int:
        """Whose turn a number is, from 0."""
        while len(self._turns) <= number:
            self._due = [due + share for due, share in zip(self._due, self._shares, strict=True)]
            late = [index for index in self._order if self._due[index] >= self._slack]
            turn = min(late, key=self._patience)
            self._due[turn] -= 1
            self._turns.append(turn)
        return self._turns[number]

    def _patience(self, index: int) -> Fraction:
        """For how many turns it may still wait."""
        return (1 - self._slack - self._due[index]) / self._shares[index]
