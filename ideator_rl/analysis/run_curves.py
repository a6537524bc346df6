"""The best reward of a run against what it took: pure functions of the run's data.

    found = run_curves(data)
    found["slot_h"].best            # ((0.1, 0.41), (0.7, 0.44), …): it rises at each of these
    found["money"].confirmed        # the same for what fresh seeds have confirmed since

Scales: distinct codebases executed; slot hours of baseline and ideas; US dollars for language
models. A codebase that another run of the store had measured counts with the time that it took
there, so that a run is not better for coming later.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from executor.records import Outcome
from ideator_rl.analysis.cost import total
from ideator_rl.analysis.run_data import RunData

Scale = Literal["executions", "slot_h", "money"]
SCALES: tuple[Scale, ...] = get_args(Scale)
Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """Where the best measured reward rises, and where the best one rises that survives on fresh
    seeds, with the mean over those: (x, reward). The latter begins with the baseline, which is all
    that is sure before, and is empty without a confirmation. The run ends at `end`; it has taken
    nothing of this scale where that is 0."""

    best: Steps
    confirmed: Steps
    end: float


def run_curves(data: RunData) -> Mapping[Scale, Curve]:
    """By scale. Ideas count when they have ended; what was paid for requests that came to nothing
    is spread evenly over what was paid for the ideas."""
    found = data.confirmation
    survivors = {i.idea_id: i.mean for i in found.ideas if i.survives} if found else {}
    # Beside the winners, or where there were none, beside the search.
    baseline = (found.baseline or data.search_baseline) if found and not found.missing else ()
    places = list(_places(data))

    def curve(number: int) -> Curve:
        xs = [place[number] for place in places]
        measured = [idea.reward if idea.measured else None for idea in data.ideas]
        confirmed = [survivors.get(idea.idea_id) for idea in data.ideas]
        sure = _rises([0.0, *xs], [statistics.fmean(baseline), *confirmed]) if baseline else ()
        return Curve(_rises(xs, measured), sure, xs[-1] if xs else 0.0)

    return {scale: curve(number) for number, scale in enumerate(SCALES)}


def executions(data: RunData) -> int:
    """How many distinct codebases of ideas a run has executed."""
    return len({idea.content_hash for idea in data.ideas if idea.content_hash})


def _places(data: RunData) -> Iterator[tuple[float, float, float]]:
    """Where each idea lies on the three scales, in the order in which they ended."""
    seeds = data.confirmation_seeds
    slot_s = sum(
        _slot_s(outcome, data.baseline_s.get(seed, 0.0))
        for seed, outcome in data.baseline.items()
        if seed not in seeds
    )
    paid = sum(idea.paid.money for idea in data.ideas)
    whole = total(request.cost for request in data.requests).money
    factor, money = whole / paid if paid else 0.0, 0.0
    seen: set[str] = set()
    for idea in data.ideas:
        if idea.content_hash not in seen:
            slot_s += _slot_s(idea, idea.slot_s)
        if idea.content_hash:
            seen.add(idea.content_hash)
        money += factor * idea.paid.money
        yield len(seen), slot_s / 3600, money


def _slot_s(outcome: Outcome, used: float) -> float:
    return used or (outcome.duration_s if outcome.cached else 0.0)


def _rises(xs: Sequence[float], rewards: Sequence[float | None]) -> Steps:
    found: list[tuple[float, float]] = []
    for x, reward in zip(xs, rewards, strict=True):
        if reward is not None and (not found or reward > found[-1][1]):
            # At one place the last is the highest.
            found = [rise for rise in found if rise[0] != x] + [(x, reward)]
    return tuple(found)


def value_at(steps: Steps, x: float) -> float | None:
    """The height of a curve; None before its first rise."""
    return next((reward for begin, reward in reversed(steps) if begin <= x), None)
