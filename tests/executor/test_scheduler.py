"""The scheduler: who is next, how many at a time, and what a cancellation frees."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.errors import StoreError
from executor.records import Job, Trial
from executor.scheduler import Scheduler
from executor.trial.spec import TrialSpec
from tests.executor.trials import make_spec


class Desks:
    """Workers in this process: a trial sits at a desk until it is told to go on."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.begun: list[str] = []
        self.at_once = self.most_at_once = 0
        self.go_on: dict[str, asyncio.Event] = {}

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        self.begun.append(job.idea_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.go_on.setdefault(job.idea_id, asyncio.Event()).wait()
        finally:
            self.at_once -= 1
        if job.idea_id == "broken":
            raise ConnectionError("the desk is gone")
        return Trial("completed", "done", detail=job.idea_id)

    def finish(self, name: str) -> None:
        self.go_on.setdefault(name, asyncio.Event()).set()


async def nothing() -> None: ...


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrialSpec:
    return make_spec(tmp_path_factory.mktemp("spec"))


def job(name: str, priority: int = 0, submitted_at: float = 0.0) -> Job:
    return Job(name, "hash", priority=priority, submitted_at=submitted_at)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@settings(max_examples=50)
@given(st.integers(1, 3), st.lists(st.integers(-2, 2), max_size=12))
def test_jobs_begin_by_priority_then_age_and_never_more_than_there_are_slots(
    spec: TrialSpec, slots: int, priorities: list[int]
) -> None:
    async def play() -> None:
        desks = Desks(slots)
        scheduler = Scheduler(desks, 60.0, nothing)
        blockers = [f"blocker-{i}" for i in range(slots)]
        names = [f"job-{i}" for i in range(len(priorities))]
        tasks = [asyncio.create_task(scheduler.run(job(name), spec)) for name in blockers]
        await settle()
        for name, priority in zip(names, priorities, strict=True):
            tasks.append(asyncio.create_task(scheduler.run(job(name, priority), spec)))
        await settle()
        assert desks.begun == blockers
        for name in (*names, *blockers):
            desks.finish(name)
        trials = await asyncio.gather(*tasks)
        order = sorted(range(len(names)), key=lambda i: (-priorities[i], i))
        assert desks.begun[slots:] == [names[i] for i in order]
        assert [trial.detail for trial in trials] == blockers + names
        assert desks.most_at_once <= slots

    asyncio.run(play())


def play(coroutine: Coroutine[None, None, None]) -> None:
    asyncio.run(coroutine)


def test_the_oldest_submission_is_next_even_if_it_was_ready_last(spec: TrialSpec) -> None:
    async def scene() -> None:
        desks = Desks(1)
        scheduler = Scheduler(desks, 60.0, nothing)
        tasks = []
        for name, submitted_at in (("first", 1.0), ("late", 3.0), ("early", 2.0)):
            run = scheduler.run(job(name, 0, submitted_at), spec)
            tasks.append(asyncio.create_task(run))
            await settle()
        for name in ("first", "early", "late"):
            desks.finish(name)
        await asyncio.gather(*tasks)
        assert desks.begun == ["first", "early", "late"]

    play(scene())


def test_a_cancelled_job_frees_its_place_wherever_it_is(spec: TrialSpec) -> None:
    async def scene() -> None:
        desks = Desks(1)
        scheduler = Scheduler(desks, 60.0, nothing)
        tasks = {name: asyncio.create_task(scheduler.run(job(name), spec)) for name in "abcd"}
        await settle()
        tasks["b"].cancel()  # waiting
        tasks["a"].cancel()  # running
        await settle()
        assert desks.begun == ["a", "c"]
        desks.finish("c")
        tasks["d"].cancel()  # about to be given the slot, or just given it
        await settle()
        assert (await asyncio.gather(tasks["c"])) == [Trial("completed", "done", detail="c")]
        desks.finish("e")
        last = await asyncio.wait_for(scheduler.run(job("e"), spec), 10)
        assert last.detail == "e"

    play(scene())


def test_a_slot_given_to_a_job_that_is_cancelled_at_that_moment_is_not_lost(
    spec: TrialSpec,
) -> None:
    async def scene() -> None:
        desks = Desks(1)
        scheduler = Scheduler(desks, 60.0, nothing)
        task = asyncio.create_task(scheduler.run(job("a"), spec))
        while not desks.begun and not task.done():
            task.cancel()
            await asyncio.sleep(0)
        with suppress(asyncio.CancelledError):
            await task
        desks.finish("b")
        assert (await asyncio.wait_for(scheduler.run(job("b"), spec), 10)).detail == "b"

    play(scene())


def test_a_worker_that_fails_frees_its_slot(spec: TrialSpec) -> None:
    async def scene() -> None:
        desks = Desks(1)
        scheduler = Scheduler(desks, 60.0, nothing)
        desks.finish("broken")
        with pytest.raises(ConnectionError):
            await scheduler.run(job("broken"), spec)
        desks.finish("next")
        assert (await scheduler.run(job("next"), spec)).detail == "next"

    play(scene())


def test_the_clock_looks_at_once_and_then_again_and_again() -> None:
    async def scene() -> None:
        looks = 0

        async def look() -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                raise StoreError("the bucket does not answer")

        clock = asyncio.create_task(Scheduler(Desks(1), 0.02, look).tick_forever())
        await settle()
        assert looks == 1
        await asyncio.sleep(0.5)
        clock.cancel()
        assert looks >= 4

    play(scene())


def test_a_long_period_does_not_delay_a_job(spec: TrialSpec) -> None:
    async def scene() -> None:
        desks = Desks(1)
        scheduler = Scheduler(desks, 3600.0, nothing)
        clock = asyncio.create_task(scheduler.tick_forever())
        desks.finish("a")
        await asyncio.wait_for(scheduler.run(job("a"), spec), 5)
        clock.cancel()

    play(scene())
