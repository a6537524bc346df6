"""Whatever a reply says, reading it takes work in proportion to its length."""

from __future__ import annotations

import pkgutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ideator_rl.ideators.replies as package
from ideator_rl.ideators import near_duplicates
from ideator_rl.ideators.replies import replies
from tests.hostile_texts import HOSTILE
from tests.ideator_rl.ideators.test_idea_replies import FRAGMENTS
from tests.steps import steps_of

MODULES = {
    near_duplicates.__name__,
    *(f"{package.__name__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)),
}
SIZE = 2000
# JSON that fails is read again from each of its first fifty brackets.
LEAST = 20_000


def steps(text: str) -> int:
    near_duplicates.features.cache_clear()

    def read() -> None:
        drafts = replies.read_ideas(text)
        near_duplicates.NearDuplicates([draft.text for draft in drafts[:10]]).find(text)

    return steps_of(read, MODULES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_reply_is_at_most_twice_the_work(kind: str) -> None:
    assert steps(HOSTILE[kind](2 * SIZE)) <= 2.2 * steps(HOSTILE[kind](SIZE)) + LEAST


@settings(max_examples=60)
@given(st.lists(FRAGMENTS | st.text(max_size=5), min_size=1, max_size=4).map("".join))
def test_a_reply_over_and_over_is_work_in_proportion(piece: str) -> None:
    times = 2000 // len(piece) + 1 if piece else 1
    text = piece.encode(errors="replace").decode() * times
    assert steps(2 * text) <= 2.2 * steps(text) + LEAST


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_long_reply_does_not_hang(kind: str) -> None:
    text = HOSTILE[kind](1_000_000)
    replies.read_ideas(text)
    near_duplicates.features(text[:20_000])
