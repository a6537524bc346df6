"""The executor of a run in a Ray actor of its own; `remote.py` starts it and talks to it.

One process is the only writer of a run, so every process of a Ray job asks this one. It can die at
any moment: Ray restarts it, it opens the same run, and callers repeat their requests; finished
trials are in the store. It ends with the driver of the job.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import ray

from executor.clock import now
from executor.cluster.workers import RayWorkers
from executor.errors import RunInUse, UserError
from executor.executor import Executor
from executor.implementer.implementer import Implementer
from executor.llm.records import LLMError
from executor.problem.problem import Problem
from executor.records import Idea, Outcome
from executor.sandbox import Level, choose
from executor.scheduler import Workers
from executor.store.runs import RunFolder, Store
from executor.workers.metered import Metered

_log = logging.getLogger(__name__)
# A process that was killed may hold the run for some seconds still.
OPEN_S = 20.0
_OPEN_POLL_S = 0.2


# Opens an implementer in the actor, for a problem and a run; it has to pickle.
OpenImplementer = Callable[[Problem, RunFolder], Implementer]
# The same for workers, for a problem, a level of sandbox and a number of slots.
OpenWorkers = Callable[[Problem, Level, int | None], Workers]


def _ray_workers(problem: Problem, level: Level, slots: int | None) -> Workers:
    return RayWorkers(problem, choose(level), slots)


@dataclass(frozen=True)
class ActorSettings:
    """What an executor is opened with, see `Executor`."""

    problem: Problem
    store: str
    run: str
    slots: int | None
    sandbox: Level
    seed: int
    period_s: float
    max_ideas: int | None
    max_seconds: float | None
    implementer: OpenImplementer | None
    workers: OpenWorkers | None


class ExecutorActor:
    """Every method may run many times at once, and again after a restart.

    Control has a group of its own: it answers no matter how many ideas are running.
    """

    def __init__(self, settings: ActorSettings) -> None:
        self._settings = settings
        self._stage = ("", now())
        self._submitted = self._finished = 0
        self._executor: Executor | None = None
        self._failure: str | None = None
        try:
            self._open(settings)
        except UserError as error:
            # An error raised here would be lost; `_opened` raises it.
            self._refusal = error

    def _open(self, settings: ActorSettings) -> None:
        workers = (settings.workers or _ray_workers)(
            settings.problem, settings.sandbox, settings.slots
        )
        self._workers = Metered(workers)
        run = Store(settings.store).run(settings.run)
        opens = settings.implementer
        implementer = opens(settings.problem, run) if opens else None
        deadline = time.monotonic() + OPEN_S
        while self._executor is None:
            try:
                self._executor = Executor(
                    settings.problem,
                    store=settings.store,
                    run=settings.run,
                    workers=self._workers,
                    implementer=implementer,
                    seed=settings.seed,
                    period_s=settings.period_s,
                    max_ideas=settings.max_ideas,
                    max_seconds=settings.max_seconds,
                )
            except RunInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_OPEN_POLL_S)

    def _opened(self) -> Executor:
        if self._executor is None:
            raise self._refusal
        return self._executor

    async def outcome(self, idea: Idea | None, seed: int | None, priority: int) -> Outcome:
        """An idea's outcome; the baseline's for None. Cancelling it ends the trial."""
        executor = self._opened()
        self._submitted += 1
        try:
            if idea is None:
                future = executor.submit_baseline(seed, priority=priority)
            else:
                future = executor.submit(idea, seed=seed, priority=priority)
            return await asyncio.wrap_future(future)
        except LLMError as error:
            self._failure = str(error)
            raise
        finally:
            self._finished += 1

    @ray.method(concurrency_group="control")
    async def described(self) -> tuple[Problem, int]:
        """The problem and the number of slots."""
        return self._settings.problem, self._opened().slots

    @ray.method(concurrency_group="control")
    async def stats(self) -> dict[str, int]:
        slots, running = self._opened().slots, self._workers.running
        queued = max(0, self._submitted - self._finished - running)
        finished = self._finished
        return {"slots": slots, "running": running, "queued": queued, "finished": finished}

    @ray.method(concurrency_group="control")
    async def busy(self, since: float, until: float) -> float:
        self._opened()
        return self._workers.busy(since, until)

    @ray.method(concurrency_group="control")
    async def mark(self, stage: str) -> None:
        self._stage = stage, now()

    @ray.method(concurrency_group="control")
    async def stage(self) -> tuple[str, float]:
        return self._stage

    @ray.method(concurrency_group="control")
    async def failure(self) -> str | None:
        return self._failure

    @ray.method(concurrency_group="control")
    async def close(self) -> None:
        if self._executor is not None:
            await asyncio.to_thread(self._executor.close)
