from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Idea, Outcome
from ideator_rl.ideators.ideator import Executed
from ideator_rl.search.best_of_n import best_of_n
from ideator_rl.search.evolution import SHOWN_IDEAS, evolution, exploit_share
from ideator_rl.search.sequential import sequential


def history(*rewards: float | None) -> list[Executed]:
    """Executed ideas with these rewards; None is a crash."""
    return [
        Executed(
            Idea(f"{i}", "text"),
            Outcome(f"{i}", "crashed" if reward is None else "completed", reward or 0.0),
        )
        for i, reward in enumerate(rewards)
    ]


@pytest.mark.parametrize(
    ("epoch", "share"),
    [(0, 0.0), (1, 0.5), (2, 0.6), (3, 0.6), (4, 0.7), (5, 0.7), (6, 0.8), (7, 0.8), (60, 0.8)],
)
def test_the_share_of_exploitation_follows_the_paper(epoch: int, share: float) -> None:
    assert exploit_share(epoch) == pytest.approx(share)


def test_epoch_0_samples() -> None:
    parts = evolution(0, 8, [], 1.0, Random(0))
    assert [(part.mode, part.count) for part in parts] == [("sample", 8)]


def test_exploitation_sees_only_ideas_above_the_baseline() -> None:
    past = history(0.5, 2.0, None, 1.0, 1.1)
    exploit, explore = evolution(1, 8, past, 1.0, Random(0))
    assert (exploit.mode, exploit.count) == ("exploit", 4)
    assert [entry.outcome.reward for entry in exploit.history] == [2.0, 1.1]
    assert (explore.mode, explore.count) == ("explore", 4)
    assert len(explore.history) == 5


def test_without_anything_above_the_baseline_everything_explores() -> None:
    parts = evolution(5, 8, history(0.5, None), 1.0, Random(0))
    assert [(part.mode, part.count) for part in parts] == [("explore", 8)]


def test_exploration_is_shown_a_hundred_ideas_at_most() -> None:
    parts = evolution(2, 10, history(*[2.0] * 300), 1.0, Random(0))
    assert len(parts[1].history) == SHOWN_IDEAS == 100


@given(st.integers(0, 40), st.integers(1, 60), st.lists(st.floats(0, 3) | st.none(), max_size=30))
def test_an_epoch_is_always_filled_exactly(
    epoch: int, size: int, rewards: list[float | None]
) -> None:
    parts = evolution(epoch, size, history(*rewards), 1.0, Random(0))
    assert sum(part.count for part in parts) == size
    assert all(part.count > 0 for part in parts)


def test_best_of_n_only_samples() -> None:
    (part,) = best_of_n(7, 5, history(3.0), 1.0, Random(0))
    assert (part.mode, part.count, part.history) == ("sample", 5, ())


def test_sequential_builds_on_the_best() -> None:
    assert sequential(3, 8, history(0.5, None), 1.0, Random(0))[0].mode == "sample"
    (part,) = sequential(3, 8, history(1.5, 2.5, 2.0), 1.0, Random(0))
    assert (part.mode, part.count) == ("exploit", 1)
    assert [entry.outcome.reward for entry in part.history] == [2.5]
