"""A run's budget: exact in ideas, and in seconds over all its sessions."""

from __future__ import annotations

import time
from pathlib import Path

from executor import Executor, Problem, Store
from executor.budget import RunBudget
from executor.run_records import SECONDS, SessionSeconds, seconds_used
from tests.executor.runs import examined, idea, outcome_files, wait_until


def test_the_budget_of_ideas_is_exact(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=2, max_ideas=3) as executor:
        outcomes = executor.execute([idea(f"i{n}", 20 + n) for n in range(5)])
        assert executor.ideas_left() == 0
    assert [o.status for o in outcomes] == ["completed"] * 3 + ["cancelled"] * 2
    assert outcomes[4].detail == "the run's budget of 3 ideas is used up"
    assert outcomes[4].reward == 0
    assert executor.run.trials() == ["i0", "i1", "i2"]
    assert sorted(examined(problem)) == [20, 21, 22]


def test_the_budget_of_ideas_holds_over_sessions(problem: Problem, store: Path) -> None:
    batch = [idea(f"i{n}", 20 + n) for n in range(5)]
    with Executor(problem, store=store, slots=1, max_ideas=3) as executor:
        before = executor.execute(batch[:2])
    with Executor(problem, store=store, slots=1, max_ideas=3) as executor:
        assert executor.ideas_left() == 1
        # In another order, and what is finished costs nothing.
        late, *rest = executor.execute([batch[4], *batch])
    assert late.completed and rest[:2] == before and rest[4] == late
    assert [o.status for o in rest] == [*["completed"] * 2, *["cancelled"] * 2, "completed"]
    with Executor(problem, store=store, slots=1, max_ideas=5) as executor:
        assert all(outcome.completed for outcome in executor.execute(batch))
    assert sorted(examined(problem)) == [20, 21, 22, 23, 24]


def test_an_idea_that_was_cut_off_keeps_its_place(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1, max_ideas=2) as executor:
        executor.submit(idea("begun", 20, sleep=600))
        wait_until(lambda: executor.run.job("begun"))
    with Executor(problem, store=store, slots=2, max_ideas=2) as executor:
        assert executor.ideas_left() == 1
        executor.submit(idea("begun", 20, sleep=600))
        outcomes = executor.execute([idea("a", 30), idea("b", 31)])
        assert [outcome.status for outcome in outcomes] == ["completed", "cancelled"]


def test_every_status_counts_and_neither_baseline_nor_repeats_do(
    problem: Problem, store: Path
) -> None:
    with Executor(problem, store=store, slots=1, max_ideas=3) as executor:
        assert executor.submit_baseline().result().completed
        assert executor.submit_baseline(seed=5).result().completed
        assert executor.ideas_left() == 3
        executor.execute([idea("a", 30), idea("b", shell="exit 1"), idea("c", shell="sleep 0")])
        assert executor.ideas_left() == 0
        for seed in (1, 2):
            assert executor.submit(idea("a", 30), seed=seed).result().completed
        assert executor.execute([idea("d", 31)])[0].status == "cancelled"
    with Executor(problem, store=store, slots=1, max_ideas=4) as executor:
        assert executor.ideas_left() == 1


def test_without_a_budget_there_is_no_end(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1) as executor:
        assert executor.ideas_left() == executor.seconds_left() == float("inf")


def test_what_is_unfinished_when_the_seconds_are_over_is_cancelled(
    problem: Problem, store: Path
) -> None:
    begun = time.monotonic()
    with Executor(problem, store=store, slots=1, max_seconds=4) as executor:
        assert 0 < executor.seconds_left() <= 4
        (fast,) = executor.execute([idea("fast", 30)])
        batch = [idea("slow", 31, sleep=600), idea("waiting", 32, sleep=600)]
        slow, waiting = executor.execute(batch)
        assert executor.seconds_left() == 0
        (late,) = executor.execute([idea("late", 33)])
    assert 4 <= time.monotonic() - begun < 10.5
    assert fast.completed
    for outcome in (slow, waiting, late):
        assert outcome.status == "cancelled"
        assert outcome.detail == "the run's budget of 4 seconds is used up"
    assert set(outcome_files(store)) == {"fast"}

    with Executor(problem, store=store, slots=1, max_seconds=4) as executor:
        assert executor.seconds_left() == 0
        again, still = executor.execute([idea("fast", 30), idea("late", 33)])
    assert again == fast and still.status == "cancelled"
    # The two that were cut off run again, too.
    with Executor(problem, store=store, slots=3, max_seconds=60) as executor:
        assert 0 < executor.seconds_left() < 58.5
        assert executor.execute([idea("late", 33)])[0].completed


def test_the_seconds_of_every_session_count(tmp_path: Path) -> None:
    run = Store(tmp_path).run("first")
    assert seconds_used(run) == 0
    for number, seconds in enumerate((10.0, 5.0, 0.0, 1.5)):
        run.keep_numbered(SECONDS, number, SessionSeconds(seconds))
    assert seconds_used(run) == 10 + 5 + 0 + 1.5
    assert 3.0 < RunBudget(run, None, 20.0).seconds_left() <= 3.5
    assert RunBudget(run, None, 10.0).seconds_left() == 0
