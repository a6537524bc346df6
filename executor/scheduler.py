"""The clock: gives jobs to free slots, highest priority first, then oldest.

    scheduler = Scheduler(workers, period_s=10.0, find_work=adopt_from_store)
    trial = await scheduler.run(job, spec)

At most `workers.slots` trials run at a time. Every `period_s` seconds `find_work` looks into the
store for codebases that another process left there; jobs given to `run` start at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from executor.errors import StoreError
from executor.records import Job, Trial
from executor.sandbox import Sandbox
from executor.tasks.places import Places
from executor.trial.spec import TrialSpec

_log = logging.getLogger(__name__)


class Workers(Protocol):
    """Where trials run. All methods are called on one event loop.

    Attributes:
        slots: how many trials may run at the same time.
        sandbox: how trials are sandboxed.
    """

    slots: int
    sandbox: Sandbox

    async def start(self) -> None:
        """Prepares the slots before the first job. Called once.

        Raises:
            UserError: there are no slots to be had.
        """

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        """Runs one trial; there are at most `slots` concurrent calls.

        Args:
            job: which idea and seed it is.
            spec: everything that the trial needs.

        Returns:
            What was measured. A trial that failed is a result, too, not an exception.

        Raises:
            UserError: no worker can run the trial.
            asyncio.CancelledError: the call was cancelled; that ends the trial.
        """

    async def close(self) -> None:
        """Ends every trial and process. Nothing is asked of it afterwards."""


class Scheduler:
    """Belongs to one event loop, and is the only caller of its workers. `has_given` is set once
    they have got a job."""

    def __init__(
        self, workers: Workers, period_s: float, find_work: Callable[[], Awaitable[None]]
    ) -> None:
        self._workers = workers
        self._period_s = period_s
        self._find_work = find_work
        self.slots, self._places = workers.slots, Places(workers.slots)
        self.has_given = asyncio.Event()

    async def tick_forever(self) -> None:
        """Calls `find_work` every `period_s` seconds; a store error is retried at the next tick."""
        while True:
            try:
                await self._find_work()
            except StoreError as error:
                # Where it matters, a trial that cannot be kept ends the run with the same line.
                _log.info("%s", error)
            await asyncio.sleep(self._period_s)

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        """Waits for a slot by priority, then runs the trial. Cancelling it frees the slot."""
        async with self._places.one(job.priority, job.submitted_at):
            self.has_given.set()
            trial = await self._workers.run(job, spec)
        # The freed slot gets its next job before this one's results are written.
        await asyncio.sleep(0)
        return trial
