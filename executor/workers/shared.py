"""One place to run for the executors of a process: trials of several problems share its slots.

    seats = share([RayWorkers(first, sandbox), RayWorkers(second, sandbox)])
    Executor(first, workers=seats[0]), Executor(second, workers=seats[1])

A trial of workers with n slots takes an n-th of the place; where there is no room, the highest
priority is the next, then the oldest. The workers are called on one event loop, which is none of
the executors'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction

from executor.records import Job, Trial
from executor.scheduler import Workers
from executor.tasks.background import Background
from executor.tasks.places import Places
from executor.trial.spec import TrialSpec


def share(workers: Sequence[Workers]) -> Sequence[Workers]:
    """Workers for as many executors; those of a single one are its own.

    The same workers may be given more than once. What is returned is closed by the executors, and
    what was given with the last of them.
    """
    if len(workers) == 1:
        return workers
    place = _Place(len(workers))
    return [_Seat(place, own) for own in workers]


class _Seat:
    """What one executor has of the place, see `Workers`."""

    def __init__(self, place: _Place, workers: Workers) -> None:
        self._place, self._workers = place, workers
        self.slots, self.sandbox = workers.slots, workers.sandbox
        self._running: set[asyncio.Task[Trial] | None] = set()

    async def start(self) -> None:
        await asyncio.wrap_future(self._place.background.start(self._workers.start()))

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        return await asyncio.wrap_future(self._place.background.start(self._in_turn(job, spec)))

    async def _in_turn(self, job: Job, spec: TrialSpec) -> Trial:
        task = asyncio.current_task()
        self._running.add(task)
        try:
            part = Fraction(1, self.slots)
            async with self._place.room.one(job.priority, job.submitted_at, part):
                return await self._workers.run(job, spec)
        finally:
            self._running.discard(task)

    async def close(self) -> None:
        """Ends its trials; the workers go with the last seat."""
        await asyncio.wrap_future(self._place.background.start(self._over()))
        await self._place.leave(self._workers)

    async def _over(self) -> None:
        running = [task for task in self._running if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Place:
    """The loop that the workers of all seats are called on, and how much of the place is free."""

    def __init__(self, seats: int) -> None:
        self.background, self.room = Background("workers"), Places(1)
        self._seats = seats
        self._left: list[Workers] = []

    async def leave(self, workers: Workers) -> None:
        self._left.append(workers)
        if len(self._left) == self._seats:
            await asyncio.to_thread(self.background.close, self._close)

    async def _close(self) -> None:
        for workers in {id(one): one for one in self._left}.values():
            await workers.close()
