"""No call to a store runs where an event loop runs, whatever becomes of an idea."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from executor import Executor, Problem, StoreError
from executor.store.threads import in_thread, in_threads
from tests.executor.runs import idea, tiny
from tests.executor.store.off_loop import Calls, watch_stores
from tests.faults.instant_workers import InstantWorkers


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@pytest.fixture(params=["folder", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return request.getfixturevalue("s3_url")
    return str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid4().hex}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return watch_stores(monkeypatch)


def test_an_executor_asks_its_store_in_threads(problem: Problem, url: str, calls: Calls) -> None:
    batch = [idea("a", 30), idea("same", 30), idea("none", shell=""), idea("crash", shell="exit 1")]
    for session in range(2):
        with Executor(problem, store=url, slots=2, period_s=0.05, max_ideas=4) as executor:
            futures = [executor.submit_baseline(seed) for seed in (0, 1)]
            futures += [executor.submit(one, seed=seed) for one in batch for seed in (0, 3)]
            ended = [future.result().status for future in futures]
            assert ended.count("crashed") == 2 and ended.count("completed") >= 6, session
            futures = [executor.submit(idea("late", 40, sleep=5))]
            time.sleep(0.2)
    assert calls.blocking == []
    assert {"read", "write", "append", "flush", "list", "try_lock", "release"} <= calls.made.keys()


def test_what_fails_in_the_background_is_kept_in_a_thread(
    problem: Problem, url: str, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: InstantWorkers) -> None:
        raise RuntimeError("no workers today")

    monkeypatch.setattr(InstantWorkers, "start", fail)
    with Executor(problem, store=url, workers=InstantWorkers(), sandbox="none") as executor:
        deadline = time.monotonic() + 10
        while "no workers today" not in executor.run.errors() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "no workers today" in executor.run.errors()
    assert calls.blocking == []


def test_a_store_that_is_slow_delays_no_trial_of_another_idea(
    problem: Problem, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the files of one idea are being written, another one runs from begin to end."""
    held = threading.Event()
    with Executor(problem, store=url, workers=InstantWorkers(), sandbox="none") as executor:
        write = executor.run.write_outcome

        def write_late(key: str, outcome: object) -> None:
            if key == "slow":
                assert held.wait(20)
            write(key, outcome)  # type: ignore[arg-type]

        monkeypatch.setattr(executor.run, "write_outcome", write_late)
        slow = executor.submit(idea("slow", 30))
        assert executor.submit(idea("fast", 31)).result(20).completed
        assert not slow.done(), "it is not reported before it is kept"
        held.set()
        assert slow.result(20).completed


def test_an_idea_that_is_cancelled_while_it_is_kept_is_kept_whole(
    problem: Problem, url: str
) -> None:
    """Whatever a cancelled idea was writing is written when the executor is closed, and its lock is
    free again."""
    with Executor(problem, store=url, workers=InstantWorkers(), sandbox="none") as executor:
        futures = [executor.submit(idea(f"i{n}", 20 + n)) for n in range(8)]
        for number, future in enumerate(futures):
            time.sleep(0.004 * number)
            future.cancel()
    with Executor(problem, store=url, workers=InstantWorkers(), sandbox="none") as executor:
        outcomes = executor.execute([idea(f"i{n}", 20 + n) for n in range(8)])
    assert [outcome.reward for outcome in outcomes] == [20.0 + n for n in range(8)]


def test_who_is_cancelled_waits_for_what_is_under_way() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        may_end.wait(10)
        ended.append(True)

    async def main() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait, 10)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(main())


def test_an_error_in_a_thread_is_raised_where_it_was_asked() -> None:
    def fail(_: object = None) -> None:
        raise StoreError("away")

    ask: list[Callable[[], object]] = [
        lambda: asyncio.run(in_thread(fail)),
        lambda: in_threads(fail, [1, 2]),
    ]
    for asked in ask:
        with pytest.raises(StoreError, match="away"):
            asked()
    assert in_threads(str, range(100)) == [str(n) for n in range(100)]


def test_an_error_that_concerns_nobody_any_more_is_not_printed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = threading.Event()

    def fail() -> None:
        begun.set()
        time.sleep(0.1)
        raise StoreError("away")

    async def main() -> None:
        task = asyncio.create_task(in_thread(fail))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()

    asyncio.run(main())
    assert caplog.records == []


def test_an_idea_that_is_cancelled_and_cannot_be_kept_prints_nothing(
    problem: Problem,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, url = threading.Event(), str(tmp_path / "store")
    with Executor(problem, store=url, workers=InstantWorkers(), sandbox="none") as executor:

        def fail_late(*_: object) -> None:
            assert begun.wait(10)
            time.sleep(0.2)
            raise StoreError("away")

        def lock_later(_: str) -> None:
            begun.set()
            time.sleep(0.4)

        monkeypatch.setattr(executor.run, "write_idea", fail_late)
        monkeypatch.setattr(executor.store, "lock_result", lock_later)
        future = executor.submit(idea("a", 30))
        assert begun.wait(10)
        future.cancel()
        # Closing looks at the errors of what is still under way.
        time.sleep(0.8)
        gc.collect()
    assert [record.getMessage() for record in caplog.records] == []
