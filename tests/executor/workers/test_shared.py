"""Executors of several problems in one process, whose trials share one place to run."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Executor
from executor.clock import now
from executor.records import Job, Trial
from executor.sandbox import Sandbox
from executor.trial.spec import TrialSpec
from executor.workers.local import LocalWorkers
from executor.workers.metered import Metered
from executor.workers.shared import share
from tests.executor.runs import idea, most_at_once, tiny, trials, wait_until

OPEN = Sandbox("process", "none")


class Counting:
    """Workers whose trials take a moment, and say how much of the place is in use."""

    used = Fraction(0)
    order: list[str] = []

    def __init__(self, slots: int) -> None:
        self.slots, self.sandbox = slots, OPEN

    async def start(self) -> None:
        pass

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        Counting.used += Fraction(1, self.slots)
        assert Counting.used <= 1
        Counting.order.append(job.idea_id)
        try:
            await asyncio.sleep(0.001)
        finally:
            Counting.used -= Fraction(1, self.slots)
        return Trial("completed", "examine")

    async def close(self) -> None:
        pass


async def run_all(slots: list[int], asked: list[tuple[int, bool]]) -> list[str]:
    """Asks each seat for trials, of which some are cancelled at once; returns those that ended."""
    Counting.used, Counting.order = Fraction(0), []
    seats = share([Counting(count) for count in slots])
    running = []
    for number, (place, is_cancelled) in enumerate(asked):
        seat = seats[place % len(seats)]
        running.append(asyncio.create_task(seat.run(Job(str(number), ""), None)))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        if is_cancelled:
            running[-1].cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    for seat in seats:
        await seat.close()
    return [str(number) for number, trial in enumerate(ended) if isinstance(trial, Trial)]


ASKED = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=12)


@given(slots=st.lists(st.integers(1, 4), min_size=2, max_size=3), asked=ASKED)
def test_no_more_runs_at_a_time_than_there_is_room_for(
    slots: list[int], asked: list[tuple[int, bool]]
) -> None:
    ended = asyncio.run(run_all(slots, asked))
    assert ended == [str(number) for number, (_, stop) in enumerate(asked) if not stop]
    assert set(ended) <= set(Counting.order) and Counting.used == 0


@given(asked=ASKED)
def test_who_came_first_is_first_whatever_its_problem(asked: list[tuple[int, bool]]) -> None:
    ended = asyncio.run(run_all([1, 1, 1], asked))
    assert [number for number in Counting.order if number in ended] == ended


@pytest.mark.usefixtures("nothing_is_left")
def test_two_executors_run_no_more_trials_than_their_place_has_slots(tmp_path: Path) -> None:
    problems = [tiny(tmp_path / name) for name in ("one", "two")]
    pool = LocalWorkers(2, OPEN)
    metered = [Metered(pool), Metered(pool)]
    executors = [
        Executor(problem, store=tmp_path / "store", run=problem.folder.name, workers=seat)
        for problem, seat in zip(problems, share(metered), strict=True)
    ]
    one, two = executors
    assert (one.slots, two.slots) == (2, 2)
    began = now()
    futures = [
        executor.submit(idea(f"i{n}", 20 + n, sleep=0.3))
        for n in range(4)
        for executor in executors
    ]
    assert [future.result(30).reward for future in futures] == [20, 20, 21, 21, 22, 22, 23, 23]
    events = [event for executor in executors for event in trials(executor.run)]
    assert len(events) == 8 and most_at_once(events) == 2
    assert sum(meter.busy(began, now()) for meter in metered) > 0.3

    # One that closes takes its trials with it; the other goes on.
    lost, kept = one.submit(idea("long", sleep=600)), two.submit(idea("last", 40, sleep=0.3))
    wait_until(lambda: metered[0].running)
    one.close()
    with pytest.raises(CancelledError):
        lost.result(10)
    assert kept.result(30).reward == 40
    assert [two.submit(idea(f"j{n}", 50 + n)).result(30).reward for n in range(2)] == [50, 51]
    two.close()


def test_the_workers_of_a_single_executor_are_its_own() -> None:
    alone = Counting(1)
    assert share([alone]) == [alone]
