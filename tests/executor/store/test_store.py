"""The store: what is there is final, what is cut short is absent, names stay inside."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from executor import Idea, Outcome, Store, StoreError
from executor.llm.journal import Journal
from executor.llm.meter import Charge
from executor.llm.records import Request
from executor.records import Implementation, Job
from executor.store.kept_result import KeptResult
from executor.store.runs import RunFolder
from executor.store.tree import unzip, zip_tree
from executor.trial_keys import trial_key

_names = st.text(st.sampled_from("abcü .-_"), min_size=1, max_size=6).filter(
    lambda name: name not in (".", "..")
)
trees = st.dictionaries(
    st.lists(_names, min_size=1, max_size=3).map("/".join), st.text(max_size=50), max_size=6
)


@pytest.fixture(params=["folder", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return request.getfixturevalue("s3_url")
    return str(tmp_path) if request.param == "folder" else f"memory://{uuid4().hex}"


@pytest.fixture
def run(url: str) -> RunFolder:
    return Store(url).run("first")


def test_everything_of_a_trial_is_read_as_it_was_written(run: RunFolder, url: str) -> None:
    idea = Idea("a", "lone \ud800 and ü", parents=("b",), meta={"k": [1, None]})
    made = Implementation("completed", {"train.py": "x = 'ü'\r\n", "lib/new.py": ""}, "a diff\n")
    job = Job("a", "0123", seed=3, priority=1)
    outcome = Outcome("a", "completed", 0.5, metrics={"loss": 2.0}, detail="fine")
    for nothing in (run.idea("a"), run.outcome("a"), run.job("a"), run.codebase("a")):
        assert nothing is None
    assert (run.diff("a"), run.log("a"), run.recipe(), run.trials()) == ("", "", None, [])
    run.write_idea("a", idea)
    run.write_implementation("a", made)
    run.write_job("a", job)
    run.write_log("a", "line ü\n")
    run.write_outcome("a", outcome)
    run.write_recipe("env: digits\n")

    again = Store(url).run("first")
    assert (again.idea("a"), again.job("a"), again.outcome("a")) == (idea, job, outcome)
    assert (again.codebase("a"), again.diff("a")) == (made.files, "a diff\n")
    assert (again.log("a"), again.recipe()) == ("line ü\n", "env: digits\n")
    assert (again.trials(), Store(url).runs()) == (["a"], ["first"])


def test_only_an_empty_run_is_discarded(run: RunFolder, url: str) -> None:
    run.record("start")
    run.write_idea("a", Idea("a", "not yet measured"))
    run.discard_if_empty()
    assert Store(url).runs() == []
    run.write_outcome("a", Outcome("a", "crashed", 0.0))
    run.discard_if_empty()
    assert Store(url).runs() == ["first"]


def test_a_run_that_has_asked_a_language_model_is_not_discarded(run: RunFolder, url: str) -> None:
    Journal(f"{run.url}/llm/ideator").begin("key", Request("ideate", "", "", ()), Charge(1))
    run.discard_if_empty()
    assert Store(url).runs() == ["first"]


def test_a_recipe_that_was_cut_short_is_absent(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    run.write_recipe("env: digits\nseed: 1\n")
    path = tmp_path / "runs/first/recipe.yaml"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert run.recipe() is None
    path.write_bytes(whole)
    assert run.recipe() == "env: digits\nseed: 1\n"
    assert yaml.safe_load(whole) == {"env": "digits", "seed": 1}


def test_results_are_shared_by_all_runs(url: str) -> None:
    outcome = Outcome("a", "completed", 0.5, content_hash="abc")
    lock = Store(url).lock_result("abc")
    assert lock
    kept = KeptResult(outcome, "runs/first/ideas/a/log.txt", "what it printed")
    Store(url).keep_result(kept, lock)
    lock.release()
    again = Store(url).lock_result("abc")
    assert again, "it was released"
    again.release()
    assert Store(url).result("abc") == kept
    assert Store(url).result("abd") is None


def test_events_are_kept_in_order(run: RunFolder, url: str) -> None:
    run.record("start", slots=2)
    run.record("finished", key="a", reward=0.5)
    run.flush()
    first, second = Store(url).run("first").events()
    assert (first["event"], first["slots"], second["key"]) == ("start", 2, "a")
    assert first["time"] <= second["time"]


def test_an_event_that_was_cut_short_costs_no_other_one(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    run.record("start", version="1")
    with (tmp_path / "runs/first/events.jsonl").open("ab") as file:
        file.write(b'{"time": 1.5, "ev')
    assert [event["event"] for event in run.events()] == ["start"]
    again = Store(tmp_path).run("first")
    lock = again.lock()
    again.record("start", version="2")
    lock.release()
    assert [event["version"] for event in run.events()] == ["1", "2"]


@pytest.mark.parametrize("name", ["idea.json", "outcome.json", "codebase.zip", "job.json"])
@pytest.mark.parametrize("content", [b"", b'{"id": "a", "te', b"\0" * 40])
def test_a_file_that_a_power_cut_emptied_is_absent(
    tmp_path: Path, name: str, content: bytes
) -> None:
    run = Store(tmp_path).run("first")
    run.write_idea("a", Idea("a", "text"))
    (tmp_path / "runs/first/ideas/a" / name).write_bytes(content)
    read = {
        "idea.json": run.idea,
        "outcome.json": run.outcome,
        "codebase.zip": run.codebase,
        "job.json": run.job,
    }
    assert read[name]("a") is None


def test_a_run_has_one_writer(url: str) -> None:
    lock = Store(url).run("first").lock()
    with pytest.raises(StoreError, match=r"the run first in .* is being executed"):
        Store(url).run("first").lock()
    Store(url).run("second").lock().release()
    lock.release()
    Store(url).run("first").lock().release()


@pytest.mark.parametrize("name", ["a", "Run-1", "2026.09.01_x", "a..b", "x" * 128])
def test_plain_run_names_are_accepted(tmp_path: Path, name: str) -> None:
    Store(tmp_path).run(name).lock().release()


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-x", "a/b", "../a", "a b", "a\n", "ü", "a\0", "x" * 300]
)
def test_other_run_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="run name") as caught:
        Store(tmp_path).run(name).lock()
    assert len(str(caught.value).splitlines()) == 1


def test_a_trial_with_the_seed_of_its_run_has_the_name_of_its_idea() -> None:
    assert trial_key("a", 3, 3) == "a"
    assert trial_key("a", 4, 3) == "a.seed4"


@given(trees)
def test_a_zip_holds_its_tree(tree: dict[str, str]) -> None:
    assert unzip(zip_tree(tree)) == tree


@given(trees)
def test_equal_trees_are_equal_bytes(tree: dict[str, str]) -> None:
    assert zip_tree(dict(reversed(tree.items()))) == zip_tree(tree)


def test_every_json_file_is_readable_by_others(run: RunFolder, tmp_path: Path) -> None:
    run.write_outcome("a", Outcome("a", "crashed", 0.0, detail="x\ny"))
    for path in tmp_path.rglob("*.json"):
        assert json.loads(path.read_text())["idea_id"] == "a"
