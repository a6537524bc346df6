"""kill -9 of whatever takes part in a trial: what is finished stays, what is not is done again."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Executor, Problem, Store, UserError, load_problem
from executor.records import Outcome
from executor.sandbox import choose
from executor.trial_keys import counts
from tests.executor.runs import idea, wait_until
from tests.executor.trials import all_gone
from tests.faults.searches import IDEAS, check_complete, outcomes, start, was_killed
from tests.faults.victims import KINDS, kill, make_served_problem, victims
from tests.ideator_rl.command_line import make_workplace

ENDS = {
    "training": ("crashed", "train", "training was ended by SIGKILL"),
    "candidate": ("crashed", "examine", "the candidate ended "),
    "examiner": ("crashed", "examine", "the examiner was ended by SIGKILL"),
}


@pytest.fixture(
    params=[
        "namespaces",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("bubblewrap", "process")),
    ]
)
def executor(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Executor]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    try:
        lock = choose("best-effort", names=(request.param,))
    except UserError as error:
        pytest.skip(str(error))
    problem = load_problem(make_served_problem(tmp_path / "tiny"))
    with Executor(problem, store=tmp_path / "store", slots=1, sandbox=lock) as executor:
        yield executor
    assert all_gone(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


def examined(problem: Problem) -> Counter[str]:
    path = problem.folder / "examined"
    return Counter(path.read_text().split() if path.exists() else [])


def kill_one(controller: int, kind: str) -> None:
    wait_until(lambda: any(map(kill, victims(controller, kind))))


@pytest.mark.parametrize("kind", ["training", "candidate", "examiner"])
def test_a_part_of_a_trial_that_is_killed_is_a_crash_of_this_trial_alone(
    executor: Executor, kind: str
) -> None:
    future = executor.submit(idea("a", 30))
    kill_one(os.getpid(), kind)
    outcome = future.result(20)
    status, stage, detail = ENDS[kind]
    assert (outcome.status, outcome.stage) == (status, stage) and detail in outcome.detail
    assert outcome.reward == 0
    following = executor.submit(idea("b", 31)).result(20)
    assert following.completed and following.reward == 31
    assert executor.run.outcome("a") == outcome


@pytest.mark.slow
@pytest.mark.parametrize("busy", ["training", "candidate"])
def test_a_trial_whose_slot_is_killed_runs_again(executor: Executor, busy: str) -> None:
    future = executor.submit(idea("a", 30))
    wait_until(lambda: victims(os.getpid(), busy))
    kill_one(os.getpid(), "slot")
    assert future.result(20).reward == 30
    assert examined(executor.problem)["30"] in (1, 2)
    keys = [event["key"] for event in executor.run.events() if event["event"] == "finished"]
    assert keys == ["a"]


def test_a_trial_whose_server_of_warm_starts_is_killed_runs_again(executor: Executor) -> None:
    if executor.sandbox.name != "namespaces":
        pytest.skip("nothing starts warm here")
    future = executor.submit(idea("a", 30))
    wait_until(lambda: victims(os.getpid(), "candidate"))
    kill_one(os.getpid(), "server")
    assert future.result(20).reward == 30
    assert executor.submit(idea("b", 31)).result(20).reward == 31


@pytest.mark.slow
def test_a_worker_that_keeps_dying_says_nothing_about_the_codebase(executor: Executor) -> None:
    # Long enough to be seen each time before it ends.
    future = executor.submit(idea("a", 30, sleep=0.5))
    killed: set[int] = set()
    while not future.done():
        wait_until(lambda: victims(os.getpid(), "training") or future.done())
        killed |= {slot for slot in victims(os.getpid(), "slot") if kill(slot)}
        time.sleep(0.02)
    assert future.result().status == "crashed" and len(killed) == 3
    assert "the worker died 3 times" in future.result().detail
    assert executor.run.outcome("a") == future.result()
    # Elsewhere the same codebase has its chance.
    assert list((Path(executor.store.url) / "results").glob("*.json")) == []
    again = executor.submit(idea("b", 30)).result(20)
    assert again.completed and not again.cached and again.reward == 30


@pytest.mark.slow
def test_a_search_survives_kills_of_everything_at_any_moment(tmp_path: Path) -> None:
    rng = random.Random(11)
    make_workplace(tmp_path)
    problem = load_problem(make_served_problem(tmp_path / "tiny"))
    (tmp_path / "tmp").mkdir()
    store = str(tmp_path / "store")
    kept: dict[str, Outcome] = {}
    hits: Counter[str] = Counter()
    for _ in range(3):
        process = start(tmp_path, store)
        wait_until(lambda: {"baseline", "baseline.seed1"} <= outcomes(store).keys())
        for kind in rng.sample(KINDS, len(KINDS)):
            time.sleep(rng.uniform(0.0, 0.4))
            if found := victims(process.pid, kind):
                hits[kind] += kill(rng.choice(found))
        process.kill()
        process.communicate()
        assert all_gone(tmp_path / "tmp"), "no process outlives its controller for long"
        now = outcomes(store)
        assert {key: now[key] for key in kept} == kept
        kept = now
    check_ends(kept, hits)

    process = start(tmp_path, store)
    check_complete(process, store, kept)
    check_ends(outcomes(store), hits)
    assert all_gone(tmp_path / "tmp") and list((tmp_path / "tmp").iterdir()) == []
    run = Store(store).run("first")
    assert sum(map(counts, run.trials())) == IDEAS
    finished = Counter(event["key"] for event in run.events() if event["event"] == "finished")
    assert set(finished.values()) == {1}
    # A kill costs at most what its two slots were examining.
    completed = {o.content_hash for o in outcomes(store).values() if o.completed}
    assert examined(problem).total() <= len(completed) + 2 * 3 + hits.total()


def check_ends(found: dict[str, Outcome], hits: Counter[str]) -> None:
    """What is no idea's own end was killed, one trial a kill."""
    killed = [outcome for outcome in found.values() if was_killed(outcome)]
    assert len(killed) <= hits.total() - hits["slot"] - hits["server"]
    assert all(outcome.status == "crashed" and outcome.reward == 0 for outcome in killed)
