"""A wall clock that is set while a search runs moves no budget, no order and no outcome."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

from executor import Executor, Store
from executor.budget import RunBudget
from executor.run_records import SessionClock, seconds_used
from tests.executor.runs import idea, tiny, wait_until
from tests.faults.instant_workers import InstantWorkers
from tests.faults.searches import ROOT, check_complete, make_slow_workplace, outcomes, start

# Python runs it at every start; the clock is ahead by the seconds that a file holds.
SITECUSTOMIZE = """
import os, time
_time, _file = time.time, os.environ["CLOCK_AHEAD"]
def _ahead():
    with open(_file) as file:
        return _time() + float(file.read() or 0)
time.time = _ahead
"""


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + ahead)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_a_jump_in_a_session_neither_eats_nor_grants_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    run = Store(tmp_path).run("first")
    for jump in (ahead, -ahead):
        session = SessionClock(run)
        session.begin(1, "none")
        time.sleep(0.2)
        set_clock(monkeypatch, jump)
        session.keep()
    assert 0.39 < seconds_used(run) < 5
    assert 5 < RunBudget(run, None, 10.0).seconds_left() < 9.7


def test_jobs_keep_their_order_over_a_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = InstantWorkers(seconds=0.05)
    workers.slots = 1
    problem, store = tiny(tmp_path / "tiny"), tmp_path / "store"
    with Executor(problem, store=store, workers=workers, sandbox="none") as executor:
        futures = []
        for n, ahead in enumerate([0, 3600, -3600, 7200, -7200]):
            set_clock(monkeypatch, ahead)
            futures.append(executor.submit(idea(f"i{n}", 20 + n)))
            # Its codebase has been looked up: what is left is to wait for the slot.
            wait_until(lambda n=n: executor.run.job(f"i{n}"))
        found = [future.result() for future in futures]
    assert workers.examined == [20, 21, 22, 23, 24]
    for before, after in pairwise(found):
        assert before.submitted_at < after.submitted_at and before.finished_at < after.finished_at


@pytest.mark.slow
def test_a_search_over_jumps_has_its_whole_budget_and_not_more(tmp_path: Path) -> None:
    workplace, store = make_slow_workplace(tmp_path), str(tmp_path / "store")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(SITECUSTOMIZE)
    clock = tmp_path / "ahead"
    env = {"PYTHONPATH": f"{tmp_path}/site:{ROOT}", "CLOCK_AHEAD": str(clock)}

    clock.write_text("7200")
    begun = time.monotonic()
    process = start(workplace, store, "--budget.seconds", "600", **env)
    for ahead in (-3600, 3600, -7200):
        done = len(outcomes(store))
        wait_until(lambda done=done: len(outcomes(store)) > done)
        (tmp_path / "next").write_text(str(ahead))
        (tmp_path / "next").replace(clock)
    process.kill()
    process.communicate()
    kept = outcomes(store)
    check_complete(start(workplace, store, "--budget.seconds", "600", **env), store, kept)
    run = Store(store).run("first")
    events = run.events()
    assert events[0]["time"] > time.time() + 3600 and events[-1]["time"] < time.time() - 3600
    assert 1 < seconds_used(run) < time.monotonic() - begun
    finished = [event["key"] for event in events if event["event"] == "finished"]
    first = finished[: len(kept)]
    assert first == sorted(first, key=lambda key: kept[key].finished_at)
