"""The share of settings among the ideas of a GRPO step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from executor.errors import StoreError
from executor.records import Idea, Implementation
from executor.store.runs import RunFolder, Store
from ideator_rl.rl.step_kinds import step_kinds

BASELINE = {"train.py": "rate = 0.1\nprint(rate)\n"}
CODE = {
    "a": {"train.py": "rate = 0.2\nprint(rate)\n"},
    "b": {"train.py": "rate = 0.1\nprint(rate + 1)\n"},
    "c": {"train.py": "rate = 0.3\nprint(rate)\n"},
}


def info(idea_id: str, code: str = "hash") -> dict[str, Any]:
    return {"idea_id": idea_id, "content_hash": code}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = Store(tmp_path).run("first")
    for key, files in CODE.items():
        run.write_implementation(key, Implementation("completed", files))
    return run


def test_each_implemented_idea_of_a_step_counts_once(run: RunFolder) -> None:
    infos = [info("a"), info("a"), info("b"), info("not-implemented", ""), info("c")]
    assert step_kinds(run, BASELINE, infos) == {
        "ideas/settings": 2 / 3,
        "ideas/on_parents": 0.0,
    }


def test_an_idea_is_judged_by_what_it_changes(run: RunFolder) -> None:
    run.write_idea("d", Idea("d", "", base="b"))
    bolder = {"train.py": "rate = 0.2\nprint(rate + 1)\n"}
    run.write_implementation("d", Implementation("completed", bolder))
    assert step_kinds(run, BASELINE, [info("b"), info("d")]) == {
        "ideas/settings": 1 / 2,
        "ideas/on_parents": 1 / 2,
    }
    run.write_idea("e", Idea("e", "", base="lost"))
    run.write_implementation("e", Implementation("completed", bolder))
    assert step_kinds(run, BASELINE, [info("e")]) == {}


def test_a_step_without_code_has_no_share(run: RunFolder) -> None:
    assert step_kinds(run, BASELINE, [info("not-implemented", "")]) == {}
    assert step_kinds(run, BASELINE, [info("lost")]) == {}


def test_a_store_that_fails_ends_no_step(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(run, "codebase", fail)
    assert step_kinds(run, BASELINE, [info("a")]) == {}
