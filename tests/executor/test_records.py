"""The records: what is written is what is read, whatever the text."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.records import STATUSES, Idea, Implementation, Job, Outcome, Record, Trial

# Every code point, lone surrogates too: language models write them.
texts = st.text(st.characters(), max_size=40)
names = st.text(min_size=1, max_size=10)
numbers = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.dictionaries(names, numbers, max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
statuses = st.sampled_from(STATUSES)
stages = st.sampled_from(["implement", "train", "examine", "done"])
ideas = st.builds(
    Idea,
    id=texts,
    text=texts,
    epoch=st.integers(),
    origin=texts,
    parents=st.lists(texts, max_size=3).map(tuple),
    meta=st.dictionaries(texts, values, max_size=3),
)
implementations = st.builds(
    Implementation,
    status=st.sampled_from(["completed", "not_implemented", "rejected"]),
    files=st.dictionaries(texts, texts, max_size=3),
    diff=texts,
    detail=texts,
)
trials = st.builds(
    Trial, status=statuses, stage=stages, metrics=metrics, detail=texts, log=texts, ended=numbers
)
jobs = st.builds(Job, idea_id=texts, content_hash=texts, seed=st.integers(), priority=st.integers())
outcomes = st.builds(
    Outcome,
    idea_id=texts,
    status=statuses,
    reward=numbers,
    stage=stages,
    metrics=metrics,
    detail=texts,
    cached=st.booleans(),
)
records = st.one_of(ideas, implementations, jobs, trials, outcomes)


@given(records)
def test_a_record_survives_json_as_text_and_as_bytes(record: Record) -> None:
    text = record.to_json()
    assert type(record).from_json(text) == record
    assert type(record).from_json(text.encode()) == record


@given(records)
def test_a_record_is_one_line_of_strict_json(record: Record) -> None:
    text = record.to_json()
    assert text.splitlines() == [text]
    assert isinstance(json.loads(text), dict)


@given(ideas, st.dictionaries(names.map("x-{}".format), values, max_size=3))
def test_unknown_keys_are_ignored(idea: Idea, unknown: dict[str, object]) -> None:
    assert Idea.from_json(json.dumps({**json.loads(idea.to_json()), **unknown})) == idea


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "3", "[]", '"text"', "{}", '{"id": "a"}', "nan", "\ud800"),
        *('{"id": "a", "text": "t", "parents": 3}', b"\xff\xfe\xfa", b"PK\x03\x04", b"\0" * 8),
        '{"id": "a", "text": "t"}{"id": "a", "text": "t"}',
    ],
)
def test_anything_else_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        Idea.from_json(text)


def test_records_are_frozen_and_lists_of_parents_become_tuples() -> None:
    idea = Idea("a", "text", parents=["b", "c"])  # type: ignore[arg-type]
    assert idea.parents == ("b", "c")
    with pytest.raises(FrozenInstanceError):
        idea.text = "another"  # type: ignore[misc]


def test_only_completed_is_completed() -> None:
    completed = [status for status in STATUSES if Outcome("a", status, 1.0).completed]
    assert completed == ["completed"]
