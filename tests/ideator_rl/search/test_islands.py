from __future__ import annotations

import dataclasses
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Idea, Outcome
from executor.errors import UserError
from ideator_rl.analysis.idea_kinds import change_of
from ideator_rl.ideators.ideator import Executed
from ideator_rl.recipe.sections import SearchSettings
from ideator_rl.search.islands import Cell, cell_of, elites, islands, populations
from ideator_rl.search.methods import open_method


def entry(name: str, reward: float | None, epoch: int, island: int, lines: int = 1) -> Executed:
    """An idea of so many changed lines; None is a crash."""
    before = "".join(f"a{n} = 1\n" for n in range(lines))
    change = change_of({"a.py": before}, {"a.py": before.replace("1\n", "2\n")})
    status = "crashed" if reward is None else "completed"
    idea = Idea(name, name, epoch, group=str(island))
    return Executed(idea, Outcome(name, status, reward or 0.0), change)


def names(living: list[list[Executed]]) -> list[list[str]]:
    return [[e.idea.id for e in own] for own in living]


@pytest.mark.parametrize(("lines", "size"), [(1, 0), (3, 0), (4, 1), (15, 1), (16, 2), (64, 3)])
def test_a_cell_tells_how_large_a_change_is_and_of_which_kind(lines: int, size: int) -> None:
    assert cell_of(entry("a", 1, 0, 0, lines).change) == Cell(size, "setting")
    added = change_of({"a.py": ""}, {"a.py": "print()\n" * lines})
    assert cell_of(added) == Cell(size, "algorithm")
    assert cell_of(None) == Cell(0, None)


def test_an_elite_is_the_best_of_its_cell_and_a_large_change_crowds_out_no_small_one() -> None:
    living = [entry("a", 1, 0, 0), entry("b", 2, 0, 0), entry("c", 9, 0, 0, lines=40)]
    found = elites([*living, entry("d", None, 0, 0)])
    assert {cell.size: e.idea.id for cell, e in found.items()} == {0: "b", 2: "c"}


def test_the_best_of_each_island_comes_to_the_next_one_in_a_ring() -> None:
    history = [
        entry("a", 3, 0, 0),
        entry("b", 1, 0, 0),
        entry("c", 2, 0, 1),
        entry("d", None, 1, 2),
    ]
    assert names(populations(1, history[:3], 3, 2)) == [["a", "b"], ["c"], []]
    # The crash of epoch 1 was born before the migration, and no migrant.
    assert names(populations(2, history, 3, 2)) == [["a", "b"], ["c", "a"], ["d", "c"]]
    # Two epochs later what came goes on, and nobody comes twice.
    later = names(populations(4, history, 3, 2))
    assert later == [["a", "b", "c"], ["c", "a"], ["d", "c", "a"]]


def test_parents_are_elites_of_their_island_above_the_baseline() -> None:
    history = [entry("a", 3, 0, 0), entry("b", 5, 0, 1), entry("c", 0.5, 0, 1, lines=40)]
    parts = islands(1, 8, history, 1.0, Random(0), islands=2, explore=0.0)
    assert [(p.mode, p.count, p.group) for p in parts] == [("exploit", 4, "0"), ("exploit", 4, "1")]
    assert [p.parent.idea.id for p in parts if p.parent] == ["a", "b"]
    assert [e.idea.id for e in parts[1].history] == ["b"]
    only = islands(1, 8, history, 9.0, Random(0), islands=2)
    assert [(p.mode, p.count, len(p.history)) for p in only] == [
        ("explore", 4, 1),
        ("explore", 4, 2),
    ]


def test_a_share_explores() -> None:
    history = [entry("a", 3, 0, 0)]
    parts = islands(1, 1000, history, 1.0, Random(0), islands=1, explore=0.3)
    counts = {part.mode: part.count for part in parts}
    assert counts["exploit"] + counts["explore"] == 1000 and 250 < counts["explore"] < 350


rewards = st.floats(0, 3) | st.none()
ideas = st.tuples(rewards, st.integers(0, 9), st.integers(0, 5), st.sampled_from([1, 9, 40]))


@given(
    st.integers(0, 12),
    st.integers(1, 30),
    st.lists(ideas, max_size=30),
    st.integers(1, 6),
    st.integers(1, 4),
    st.floats(0, 1),
)
def test_an_epoch_is_filled_exactly_and_follows_from_its_arguments(
    epoch: int, size: int, past: list, count: int, every: int, explore: float
) -> None:
    history = [entry(f"{n}", *values) for n, values in enumerate(past) if values[1] < epoch]
    own = {"islands": count, "migrate_every": every, "explore": explore}
    parts = islands(epoch, size, history, 1.0, Random(1), **own)
    assert parts == islands(epoch, size, history, 1.0, Random(1), **own)
    assert sum(part.count for part in parts) == size and all(part.count > 0 for part in parts)
    for part in parts:
        assert part.parent is None or part.parent in part.history
        assert part.mode != "exploit" or all(e.outcome.reward > 1.0 for e in part.history)
        assert part.mode == "exploit" or part.parent is None
    shares = [sum(p.count for p in parts if p.group == str(island)) for island in range(count)]
    assert max(shares) - min(shares) <= 1


def test_its_keys_are_those_of_islands_only() -> None:
    settings = SearchSettings(method="islands", islands=2)
    [part] = open_method(settings)(0, 1, [], 1.0, Random(0))
    assert dataclasses.astuple(part) == ("sample", 1, (), None, "0")
    with pytest.raises(UserError, match=r"search\.islands: only of the method islands; remove it"):
        open_method(SearchSettings(islands=2))
