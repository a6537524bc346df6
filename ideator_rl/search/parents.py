"""Whose codebases the ideas of an epoch change, with `search.base: parent`.

    parts = with_parents(method(epoch, size, history, baseline, rng), rng)
    parts[0].parent.idea.id               # one parent, or none, for all ideas of a part

A method that chooses parents itself is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from ideator_rl.ideators.by_rank import by_rank
from ideator_rl.search.method import Part


def with_parents(parts: Sequence[Part], rng: Random) -> list[Part]:
    """The parts, those that exploit divided by parent.

    Each of their ideas draws one of the completed ideas that its part is shown. What samples or
    explores changes the baseline.
    """
    found: list[Part] = []
    for part in parts:
        completed = [entry for entry in part.history if entry.outcome.completed]
        if part.mode != "exploit" or part.parent is not None or not completed:
            found.append(part)
            continue
        drawn = [by_rank(completed, rng) for _ in range(part.count)]
        counts = Counter(entry.idea.id for entry in drawn)
        parents = {entry.idea.id: entry for entry in drawn}
        found += [replace(part, count=counts[key], parent=parents[key]) for key in counts]
    return found
