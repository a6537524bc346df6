"""Whatever an idea says, reading it takes work in proportion to its length, and ends."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import executor.edits
from executor.edits import EditError, apply, apply_edits, canonical_diff, diff, parse
from executor.implementer import source_checks
from tests.executor.edits.test_edits_properties import SNIPPETS
from tests.hostile_texts import EDITABLE, FILES, FROZEN, HOSTILE, new_file
from tests.steps import steps_of

MODULES = {
    "executor.implementer.source_checks",
    *(f"executor.edits.{one.name}" for one in pkgutil.iter_modules(executor.edits.__path__)),
}
SIZE = 3000
PURSE = 10_000  # in the place of the real one, which no short text can spend
STEPS_FOR_ONE = 5  # of this test, for each that is paid for


def read(text: str) -> None:
    """Everything that is done with an idea's text."""
    with suppress(EditError):
        after = apply_edits(FILES, text, editable=EDITABLE, frozen=FROZEN)
        canonical_diff(FILES, after)
        source_checks.source_problems(FILES, after)


def steps(text: str) -> int:
    source_checks.outline.cache_clear()
    executor.edits.assignments._bindings.cache_clear()
    return steps_of(lambda: read(text), MODULES)


@pytest.fixture(scope="module")
def small_purses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apply, "MOST_WORK", PURSE)
        patch.setattr(diff, "MOST_WORK", PURSE)
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("small_purses")
@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_text_is_at_most_twice_the_work(kind: str) -> None:
    once, twice = HOSTILE[kind](SIZE), HOSTILE[kind](2 * SIZE)
    assert steps(twice) <= 2.2 * steps(once) + STEPS_FOR_ONE * PURSE


@pytest.mark.usefixtures("small_purses")
@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=8), min_size=1, max_size=4),
    st.sampled_from(["", "\n", "\r\n"]),
    st.booleans(),
)
@pytest.mark.slow
def test_a_text_over_and_over_is_work_in_proportion(
    pieces: list[str], ending: str, in_a_file: bool
) -> None:
    text = "".join(piece + ending for piece in pieces)
    times = 2000 // len(text) + 1 if text else 1
    once, twice = text * times, text * (2 * times)
    if in_a_file:
        once, twice = (new_file(lambda size, body=body: body)(0) for body in (once, twice))
    assert steps(twice) <= 2.2 * steps(once) + STEPS_FOR_ONE * PURSE


class Rows(list[str]):
    """Rows that count how many of them are copied."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            self.copied += len(range(*place.indices(len(self))))
        return super().__getitem__(place)


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_rows_are_copied_a_few_times_only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_rows, counted = parse._read_rows, []

    def counting(rows: list[str], known: Collection[str]) -> Any:
        counted.append(Rows(rows))
        return read_rows(counted[-1], known)

    monkeypatch.setattr(parse, "_read_rows", counting)
    read(HOSTILE[kind](20_000))
    assert all(rows.copied <= 3 * len(rows) for rows in counted)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_long_text_does_not_hang(kind: str) -> None:
    read(HOSTILE[kind](200_000))


def test_a_text_over_a_megabyte_is_refused_at_once() -> None:
    with pytest.raises(EditError, match="the idea has 10,000,000 characters, more than 1,000,000"):
        apply_edits(FILES, "x" * 10_000_000, editable=EDITABLE, frozen=FROZEN)


@pytest.mark.slow
def test_what_takes_too_long_is_refused_in_one_line() -> None:
    text = HOSTILE["misquoted lines"](400_000)
    with pytest.raises(EditError) as raised:
        apply_edits(FILES, text, editable=EDITABLE, frozen=FROZEN)
    assert str(raised.value) == (
        "finding the places of the edits takes too long: make fewer changes, and quote the "
        "unchanged lines around each place exactly"
    )


def test_a_change_that_is_too_much_to_compare_is_told_as_one() -> None:
    old, new = words(0), words(1)
    told = canonical_diff({"a": f"head\n{old}tail\n"}, {"a": f"head\n{new}tail\n"})
    body = told.split("\n")[4:-1]
    assert [row for row in body if row[0] == "-"] == [f"-{row}" for row in old.split()]
    assert [row for row in body if row[0] == "+"] == [f"+{row}" for row in new.split()]
    assert (body[0], body[-1]) == (" head", " tail")


def words(seed: int) -> str:
    """Lines of which each stands there often, but none so often that difflib leaves it out."""
    rng = Random(seed)
    return "".join(f"word{rng.randrange(150)}\n" for _ in range(30_000))
