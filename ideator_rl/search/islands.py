"""MAP-Elites on islands, as AlphaEvolve (arXiv 2506.13131) and OpenEvolve describe their archives.

Ideas live on islands in a ring. Each island keeps the best idea of every cell, its elites. A cell
is how large the change of the code is, and of which kind (`analysis/idea_kinds.py`): a small change
that helps is not crowded out by a large one that helps more. An idea's parent is one of the elites
above the baseline, drawn by rank, and the others are shown beside it. A share explores, shown all
that its island has. Every few epochs the best idea of each island is also on the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random
from typing import NamedTuple

from ideator_rl.analysis.idea_kinds import Change, Kind
from ideator_rl.ideators.by_rank import by_rank
from ideator_rl.ideators.ideator import Executed
from ideator_rl.search.method import Part, above_baseline

# In changed lines of the baseline, where bins of sizes begin: up to 3, to 15, to 63, and more.
SIZES = (4, 16, 64)


class Cell(NamedTuple):
    """A cell of an archive; ideas whose code is not here have one of their own."""

    size: int
    kind: Kind | None


def cell_of(change: Change | None) -> Cell:
    """The cell of a change of the code."""
    if change is None:
        return Cell(0, None)
    lines = max(change.added, change.removed)
    return Cell(sum(lines >= bound for bound in SIZES), change.kind)


def islands(
    epoch: int,
    size: int,
    history: Sequence[Executed],
    baseline: float,
    rng: Random,
    *,
    islands: int = 4,
    migrate_every: int = 3,
    explore: float = 0.2,
) -> list[Part]:
    """The parts of one epoch, whose ideas the islands share evenly; see `SearchSettings`."""
    living = populations(epoch, history, islands, migrate_every)
    places = [(epoch * size + place) % islands for place in range(size)]
    parts: list[Part] = []
    for island in sorted(set(places)):
        parts += _of_island(living[island], places.count(island), baseline, rng, explore, island)
    return parts


def _of_island(
    living: Sequence[Executed],
    count: int,
    baseline: float,
    rng: Random,
    explore: float,
    island: int,
) -> list[Part]:
    """What `count` ideas of an island build on."""
    group = str(island)
    if not living:
        return [Part("sample", count, group=group)]
    better = above_baseline(elites(living).values(), baseline)
    drawn: dict[str, list[Executed | None]] = defaultdict(list)
    for _ in range(count):
        parent = by_rank(better, rng) if better and rng.random() >= explore else None
        drawn[parent.idea.id if parent else ""].append(parent)
    return [
        Part("exploit", len(same), better, same[0], group)
        if same[0]
        else Part("explore", len(same), living, group=group)
        for same in drawn.values()
    ]


def elites(living: Iterable[Executed]) -> dict[Cell, Executed]:
    """The best completed idea of each cell; of equal ones the oldest."""
    best: dict[Cell, Executed] = {}
    for entry in living:
        if entry.outcome.completed:
            cell = cell_of(entry.change)
            if cell not in best or best[cell].outcome.reward < entry.outcome.reward:
                best[cell] = entry
    return best


def populations(
    epoch: int, history: Sequence[Executed], islands: int, migrate_every: int
) -> list[list[Executed]]:
    """Who lives on each island when an epoch begins, migrants included, oldest first.

    An idea's island is its group, which the part that asked for it had.
    """
    born: defaultdict[int, list[Executed]] = defaultdict(list)
    for entry in history:
        born[entry.idea.epoch].append(entry)
    living: list[list[Executed]] = [[] for _ in range(islands)]
    for past in range(epoch + 1):
        if past and past % migrate_every == 0:
            _migrate(living)
        for entry in born[past]:
            group = entry.idea.group
            living[int(group) % islands if group.isdecimal() else 0].append(entry)
    return living


def _migrate(living: list[list[Executed]]) -> None:
    """The best completed idea of each island comes to the next one, and stays."""
    best = [max(elites(own).values(), key=_reward, default=None) for own in living]
    for island, entry in enumerate(best):
        there = living[(island + 1) % len(living)]
        if entry is not None and all(other.idea.id != entry.idea.id for other in there):
            there.append(entry)


def _reward(entry: Executed) -> float:
    return entry.outcome.reward
