"""The executors of a Ray job in an actor of their own; `remote.py` starts it and talks to it.

There is one executor a problem, each with a run of its own, and they share one place to run. One
process is the only writer of these runs, so every process of the job asks this one. It can die at
any moment: Ray restarts it, it opens the same runs, and callers repeat their requests; finished
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
from executor.workers.shared import share

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
class ProblemRun:
    """An executor of the actor: its problem and the run that it fills. By default ideas carry their
    own edits, and trials are tasks of this Ray cluster."""

    problem: Problem
    run: str
    implementer: OpenImplementer | None = None
    workers: OpenWorkers | None = None


@dataclass(frozen=True)
class ActorSettings:
    """What the executors are opened with, see `Executor`.

    `slots` are those of all runs together, by default what the place to run has room for.
    """

    runs: tuple[ProblemRun, ...]
    store: str
    slots: int | None = None
    sandbox: Level = "strict"
    seed: int = 0
    period_s: float = 10.0


class _Opened:
    """An executor at work, and how many ideas it was given since it was opened."""

    def __init__(self, executor: Executor, workers: Metered) -> None:
        self.executor, self.workers = executor, workers
        self.submitted = self.finished = 0


class ExecutorActor:
    """Every method may run many times at once, and again after a restart; `run` names one of the
    runs. Control has a group of its own: it answers no matter how many ideas are running.
    """

    def __init__(self, settings: ActorSettings) -> None:
        self._settings = settings
        self._stage = ("", now())
        self._open_runs: dict[str, _Opened] = {}
        self._failure: str | None = None
        self._refusal: UserError | None = None
        try:
            self._open(settings)
        except UserError as error:
            # An error raised here would be lost; `_opened` raises it.
            self._refusal = error
            self._close()

    def _open(self, settings: ActorSettings) -> None:
        metered = [
            Metered((own.workers or _ray_workers)(own.problem, settings.sandbox, settings.slots))
            for own in settings.runs
        ]
        deadline = time.monotonic() + OPEN_S
        for own, workers, seat in zip(settings.runs, metered, share(metered), strict=True):
            run = Store(settings.store).run(own.run)
            implementer = own.implementer(own.problem, run) if own.implementer else None
            opened = None
            while opened is None:
                try:
                    opened = Executor(
                        own.problem,
                        store=settings.store,
                        run=own.run,
                        workers=seat,
                        implementer=implementer,
                        seed=settings.seed,
                        period_s=settings.period_s,
                    )
                except RunInUse:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_OPEN_POLL_S)
            self._open_runs[own.run] = _Opened(opened, workers)

    def _close(self) -> None:
        for opened in self._open_runs.values():
            opened.executor.close()

    def _opened(self, run: str) -> _Opened:
        if self._refusal is not None:
            raise self._refusal
        return self._open_runs[run]

    async def outcome(
        self, run: str, idea: Idea | None, seed: int | None, priority: int
    ) -> Outcome:
        """An idea's outcome; the baseline's for None. Cancelling it ends the trial."""
        opened = self._opened(run)
        opened.submitted += 1
        try:
            if idea is None:
                future = opened.executor.submit_baseline(seed, priority=priority)
            else:
                future = opened.executor.submit(idea, seed=seed, priority=priority)
            return await asyncio.wrap_future(future)
        except LLMError as error:
            self._failure = str(error)
            raise
        finally:
            opened.finished += 1

    @ray.method(concurrency_group="control")
    async def described(self, run: str | None) -> tuple[str, Problem, int]:
        """The name of a run, by default the first, its problem and the number of slots."""
        name = run or self._settings.runs[0].run
        executor = self._opened(name).executor
        return name, executor.problem, executor.slots

    @ray.method(concurrency_group="control")
    async def stats(self, run: str) -> dict[str, int]:
        opened = self._opened(run)
        finished, running = opened.finished, opened.workers.running
        queued = max(0, opened.submitted - finished - running)
        slots = opened.workers.slots
        return {"slots": slots, "running": running, "queued": queued, "finished": finished}

    @ray.method(concurrency_group="control")
    async def busy(self, run: str, since: float, until: float) -> float:
        self._opened(run)
        # A trial of each takes its part of the same place.
        parts = (opened.workers.busy(since, until) for opened in self._open_runs.values())
        return min(1.0, sum(parts))

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
        await asyncio.to_thread(self._close)
