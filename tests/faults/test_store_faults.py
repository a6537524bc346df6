"""Runs on a store that fails: nothing is lost, nothing counts twice, the budget ends exact."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from threading import Timer

import pytest

from executor import Executor, Problem, StoreError
from executor.records import Outcome
from executor.store import bucket
from tests.executor.runs import outcome_files, tiny
from tests.faults import faulty_filesystem
from tests.faults.faulty_filesystem import Fault, fail, leftovers
from tests.faults.instant_workers import InstantWorkers, batch

IDEAS = 4


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.0)
    monkeypatch.setattr(bucket, "OPEN_PATIENCE_S", 0.0)


def execute(problem: Problem, url: str, workers: InstantWorkers) -> list[Outcome]:
    """One session: one idea more than the budget has."""
    with Executor(
        problem,
        store=url,
        workers=workers,
        sandbox="none",
        max_ideas=IDEAS,
        period_s=0.01,
    ) as executor:
        return executor.execute(batch(IDEAS + 1))


def check(outcomes: list[Outcome], store: Path) -> None:
    """The whole run, however it came about."""
    assert Counter(outcome.status for outcome in outcomes) == {"completed": IDEAS, "cancelled": 1}
    assert [o.reward for o in outcomes if o.completed] == [20.0 + n for n in range(IDEAS)]
    assert len(outcome_files(store)) == len(list((store / "results").iterdir())) == IDEAS


@pytest.mark.parametrize(
    ("kind", "seed"), [("error", 0), *(("lost", seed) for seed in range(8)), ("cut", 0)]
)
def test_a_store_that_fails_now_and_then_changes_nothing(
    problem: Problem,
    faulty: str,
    tmp_path: Path,
    kind: str,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faulty_filesystem, "_rng", random.Random(seed))
    monkeypatch.setattr(bucket, "_FIRST_PAUSE_S", 0.001)
    fault = Fault(kind, times=1e9, chance=0.3)
    fail(fault)
    workers = InstantWorkers()
    outcomes = execute(problem, faulty, workers)
    assert fault.times < 1e9 - 10
    fail()
    check(outcomes, tmp_path / "bucket")
    assert leftovers(tmp_path) == []
    assert sorted(workers.examined) == [20, 21, 22, 23]
    again = InstantWorkers()
    assert execute(problem, faulty, again)[:IDEAS] == outcomes[:IDEAS] and again.examined == []


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("first", "kind"), [(0, "error"), (1, "lost"), (2, "cut")])
def test_a_store_that_stays_away_from_any_moment_on_loses_nothing(
    problem: Problem, tmp_path: Path, first: int, kind: str
) -> None:
    moments = 0
    # Together the three kinds are at every operation of a run.
    for moment in range(first, 1000, 3):
        store, url = tmp_path / f"{kind}{moment}", f"faulty://{tmp_path}/{kind}{moment}"
        fault = Fault(kind, times=1e9, after=moment)
        fail(fault)
        workers = InstantWorkers()
        try:
            outcomes = execute(problem, url, workers)
        except StoreError as error:
            assert len(str(error).splitlines()) == 1
        fail()
        if fault.times == 1e9:
            break
        moments += 1
        kept = outcome_files(store)
        outcomes = execute(problem, url, workers)
        check(outcomes, store)
        now = outcome_files(store)
        # A cut outcome was not finished.
        assert all(now[name] == text for name, text in kept.items() if text.endswith(b"}"))
        # What was measured and not kept is measured again, once.
        examined = Counter(workers.examined)
        assert set(examined) == {20, 21, 22, 23} and max(examined.values()) <= 2
    assert moments > 15


def test_a_store_that_is_away_for_a_while_delays_a_run(
    problem: Problem, faulty: str, tmp_path: Path
) -> None:
    away = tmp_path / "bucket.away"
    workers = InstantWorkers(seconds=0.2)
    timers = [Timer(0.3, away.write_text, ("error",)), Timer(1.2, away.unlink)]
    for timer in timers:
        timer.start()
    check(execute(problem, faulty, workers), tmp_path / "bucket")
    assert not away.exists()
    assert sorted(workers.examined) == [20, 21, 22, 23]


@pytest.mark.usefixtures("quick")
def test_a_store_that_stalls_ends_the_run_soon_and_the_next_one_completes_it(
    problem: Problem, faulty: str, tmp_path: Path
) -> None:
    workers = InstantWorkers(seconds=0.05)
    fail(Fault("stall", "pipe_file", "outcome.json", times=1e9, after=1))
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be written: no answer within 0.3 s"):
        execute(problem, faulty, workers)
    assert time.monotonic() - begun < 10
    fail()
    check(execute(problem, faulty, workers), tmp_path / "bucket")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("record", ["start.json", "sessions/000.json", "seconds/000.json"])
def test_a_record_that_was_cut_short_is_as_if_it_had_not_been_written(
    problem: Problem, faulty: str, tmp_path: Path, record: str
) -> None:
    fail(Fault("cut", "pipe_file", record))
    with pytest.raises(StoreError, match="was cut off"):
        execute(problem, faulty, InstantWorkers())
    fail()
    assert not (tmp_path / "bucket/runs/default" / record).read_bytes().endswith(b"}\n")
    check(execute(problem, faulty, InstantWorkers()), tmp_path / "bucket")
