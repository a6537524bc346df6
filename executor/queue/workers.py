"""Trials on machines that share nothing but a store with this one.

    workers = open_store_workers("s3://bucket/store", {}, problem, "strict", slots=4)

Each trial is a job in the store's queue (`queue.py`); an `ideator-rl worker` takes it by lease and
leaves there what it measured (`worker.py`). A worker that vanishes loses its leases, and others run
its jobs. When the executor is killed, jobs and trials stay: it finds them when it is started again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from executor.errors import StoreError, UserError
from executor.problem.problem import Problem
from executor.queue.entries import WorkerEntry, living_workers
from executor.queue.queue import Queue, QueuedJob, QueuedProblem, poll_s
from executor.records import Job, Trial
from executor.sandbox import Level, Sandbox
from executor.settings import Scalar
from executor.store.open import open_storage
from executor.store.storage import Storage
from executor.store.threads import in_thread
from executor.trial.spec import TrialSpec

_log = logging.getLogger(__name__)
# Seconds that trials are kept in the queue, so that the executor can store them.
_KEPT_S = 30.0
# Seconds without any trial after which it is said that workers are missing, and how often.
_LONELY_S, _AGAIN_S = 15.0, 300.0


def open_store_workers(
    url: str, overrides: Mapping[str, Scalar], problem: Problem, level: Level, slots: int | None
) -> StoreWorkers:
    """The workers of the store at a URL. Raises UserError as they do.

    Args:
        url: the store.
        overrides: the fields of problem.toml with which the problem was loaded.
        problem: what the trials are about.
        level: the least sandbox of a worker.
        slots: trials at a time, see `StoreWorkers`.
    """
    return StoreWorkers(open_storage(url), QueuedProblem.of(problem, overrides), level, slots)


class StoreWorkers:
    """`slots` trials at a time, each behind a sandbox of at least `level`.

    By default as many slots as the living workers have that serve the problem. Raises UserError
    where there is none yet and `slots` is not given, StoreError.
    """

    def __init__(
        self, storage: Storage, problem: QueuedProblem, level: Level, slots: int | None = None
    ) -> None:
        self._storage, self._queue = storage, Queue(storage, problem)
        self._problem, self._level = problem, level
        self.sandbox = Sandbox("workers", level)
        self.slots = slots or sum(entry.slots for entry in self._serving())
        if not self.slots:
            raise UserError(
                f"no worker serves {problem.name} in {storage.url}, so nobody knows how many "
                f"trials fit at a time: {self._how_to_start()}, or set executor.slots"
            )
        self._waiting: dict[str, asyncio.Future[Trial]] = {}
        self._taken: dict[str, float] = {}
        self._collecting: asyncio.Task[None] | None = None
        self._last_sign = time.monotonic()

    async def start(self) -> None:
        """Does nothing: the slots are elsewhere."""

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        """Raises StoreError as well."""
        queued = QueuedJob(
            idea_id=job.idea_id,
            content_hash=job.content_hash,
            seed=job.seed,
            final=job.final,
            sandbox=self._level,
            priority=job.priority,
            submitted_at=job.submitted_at,
            files=dict(spec.files),
        )
        ended: asyncio.Future[Trial] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._last_sign = time.monotonic()
        try:
            await in_thread(self._queue.post, queued)
            self._waiting[queued.key] = ended
            if self._collecting is None or self._collecting.done():
                self._collecting = asyncio.create_task(self._collect())
            return await ended
        except asyncio.CancelledError:
            await in_thread(self._queue.cancel, queued.key)
            raise
        finally:
            self._waiting.pop(queued.key, None)

    async def close(self) -> None:
        """Removes the trials that are kept elsewhere by now. Workers go on looking for jobs."""
        if self._collecting is not None:
            self._collecting.cancel()
        try:
            await in_thread(self._queue.forget, list(self._taken))
        except StoreError as error:
            _log.info("%s", error)

    async def _collect(self) -> None:
        """Hands out what has ended as long as somebody waits for it."""
        try:
            while self._waiting:
                for key in await in_thread(self._queue.ended) & self._waiting.keys():
                    trial = await in_thread(self._queue.trial, key)
                    if trial is not None and (ended := self._waiting.pop(key, None)):
                        self._last_sign = time.monotonic()
                        # What tells nothing of the codebase is no answer the next time.
                        self._taken[key] = self._last_sign if trial.ended else 0.0
                        if not ended.done():
                            ended.set_result(trial)
                await self._forget_old()
                await self._say_if_lonely()
                await asyncio.sleep(poll_s(self._storage))
        except Exception as error:
            for ended in self._waiting.values():
                if not ended.done():
                    ended.set_exception(error)

    async def _forget_old(self) -> None:
        old = [key for key, at in self._taken.items() if time.monotonic() - at > _KEPT_S]
        await in_thread(self._queue.forget, old)
        for key in old:
            del self._taken[key]

    async def _say_if_lonely(self) -> None:
        if time.monotonic() - self._last_sign < _LONELY_S:
            return
        self._last_sign = time.monotonic() + _AGAIN_S - _LONELY_S
        if await in_thread(self._serving):
            return
        refused = await in_thread(self._refusals)
        why = f" ({refused[0]})" if refused else ""
        _log.warning(
            "no worker serves %s in %s%s: %s",
            self._problem.name,
            self._storage.url,
            why,
            self._how_to_start(),
        )

    def _serving(self) -> list[WorkerEntry]:
        """The living workers that may take its jobs."""
        return [
            entry
            for entry in living_workers(self._storage)
            if entry.env in ("", self._problem.name) and self._problem.folder not in entry.refused
        ]

    def _refusals(self) -> list[str]:
        folder = self._problem.folder
        return [
            f"{entry.host}: {entry.refused[folder]}"
            for entry in living_workers(self._storage)
            if folder in entry.refused
        ]

    def _how_to_start(self) -> str:
        return (
            f"start some with `ideator-rl worker --store {self._storage.url} "
            f"--env {self._problem.name}`"
        )
