"""A worker: takes jobs from a store's queue, runs them in slots on this machine, leaves the trials.

    asyncio.run(serve(storage, find_problem, Offer(choose("strict"), slots=2), tell=print))

It serves one version of a problem at a time, and another one when that has no job left. A queue is
refused, with one line, where this machine has other files or data of the problem, a weaker sandbox
than its jobs ask for, or too few GPUs. A job that was begun TRIES times by workers that vanished is
not begun again.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from executor.errors import DamagedRecord, UserError
from executor.outcomes import trial_spec
from executor.problem.problem import Problem
from executor.queue.entries import WorkerEntry, join, leave, update
from executor.queue.queue import Queue, QueuedJob, QueuedProblem, damaged, open_queues, poll_s
from executor.records import Job, Trial
from executor.sandbox import Sandbox, meets
from executor.settings import Scalar
from executor.store.storage import Lock, Storage
from executor.store.threads import in_thread
from executor.workers.local import LocalWorkers, available_cores, local_slots
from executor.workers.slot_process import LOST, TRIES

FindProblem = Callable[[str, Mapping[str, Scalar]], Problem]
Tell = Callable[[str], None]
# Seconds between two looks for jobs, when there was none for a while.
_LONGEST_POLL_S = 5.0


@dataclass(frozen=True)
class Offer:
    """What a worker offers.

    Args:
        sandbox: how its trials are sandboxed.
        slots: trials at a time; by default as many as cores and GPUs allow.
        env: the only problem that it serves, by name, id or folder; by default any.
        idle_exit_s: it ends after so many seconds without a job; by default never.
    """

    sandbox: Sandbox
    slots: int | None = None
    env: str | None = None
    idle_exit_s: float | None = None


async def serve(storage: Storage, find: FindProblem, offer: Offer, tell: Tell) -> None:
    """Works until nothing was to do for `offer.idle_exit_s`, or until it is cancelled.

    Args:
        storage: where the queue is.
        find: gives a problem by its name and overrides; raises ProblemError.
        offer: what this machine gives.
        tell: is called with each line for people.

    Raises:
        UserError: the problem of `offer.env` is unknown, or needs GPUs that are not here.
        StoreError: the store is gone, or another process has taken over a job of this worker.
    """
    await _Worker(storage, find, offer, tell).serve()


class _Worker:
    def __init__(self, storage: Storage, find: FindProblem, offer: Offer, tell: Tell) -> None:
        self._storage, self._find, self._offer, self._tell = storage, find, offer, tell
        slots = offer.slots or len(available_cores())
        name = ""
        if offer.env is not None:
            problem = find(offer.env, {})
            needs = problem.file.resources
            name, slots = problem.name, local_slots(offer.slots, needs.cpus, needs.gpus)
        host = socket.gethostname()
        self._name = f"{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._entry = WorkerEntry(host, slots, name)
        self._poll_s = poll_s(storage)
        self._busy_at = time.monotonic()

    async def serve(self) -> None:
        lease = await in_thread(join, self._storage, self._name, self._entry)
        self._tell(f"looking for trials in {self._storage.url}")
        try:
            while not self._is_over():
                found = await self._next_problem()
                if found is not None:
                    await self._serve_problem(*found)
                await self._pause()
        finally:
            await in_thread(leave, self._storage, self._name, lease)

    def _is_over(self) -> bool:
        idle = time.monotonic() - self._busy_at
        return self._offer.idle_exit_s is not None and idle > self._offer.idle_exit_s

    async def _pause(self) -> None:
        await asyncio.sleep(self._poll_s)
        self._poll_s = min(1.2 * self._poll_s, _LONGEST_POLL_S)

    async def _next_problem(self, other_than: str = "") -> tuple[QueuedProblem, Problem] | None:
        """A problem with jobs that this worker can run; None where there is none."""
        queues = await in_thread(open_queues, self._storage)
        random.shuffle(queues)
        for queued in queues:
            if queued.folder in self._entry.refused or queued.folder == other_than:
                continue
            if self._entry.env not in ("", queued.name):
                continue
            try:
                return queued, await asyncio.to_thread(self._open_problem, queued)
            except UserError as error:
                await self._refuse(queued, str(error))
        return None

    def _open_problem(self, queued: QueuedProblem) -> Problem:
        """Raises UserError where this machine cannot run its jobs."""
        problem = self._find(self._offer.env or queued.name, queued.overrides)
        problem.data()
        if problem.version != queued.version:
            raise UserError(
                "the problem's files or data here are others than the executor's: install the same "
                f"version of it and run `ideator-rl envs prepare {queued.name} --secret FILE` with "
                "the executor's secret, same Python and packages"
            )
        needs = problem.file.resources
        local_slots(self._offer.slots, needs.cpus, needs.gpus)
        return problem

    async def _refuse(self, queued: QueuedProblem, why: str) -> None:
        line = " ".join(why.split())
        refused = {**self._entry.refused, queued.folder: line}
        self._entry = replace(self._entry, refused=refused)
        self._tell(f"refused: jobs of {queued.name} {queued.version}: {line}")
        await in_thread(update, self._storage, self._name, self._entry)

    async def _serve_problem(self, queued: QueuedProblem, problem: Problem) -> None:
        """Runs its jobs until it has none and another problem has, or this worker is over."""
        needs = problem.file.resources
        slots = local_slots(self._offer.slots, needs.cpus, needs.gpus)
        workers = LocalWorkers(slots, self._offer.sandbox, needs.cpus, needs.gpus)
        jobs = _Jobs(Queue(self._storage, queued), problem, workers, self._tell)
        self._tell(f"serving {queued.name} {queued.version} with {slots} slot(s)")
        try:
            await workers.start()
            while True:
                waiting = await in_thread(jobs.queue.waiting)
                jobs.end_cancelled(waiting)
                refused = queued.folder in self._entry.refused
                if not refused and (weaker := self._beyond(waiting)):
                    await self._refuse(queued, weaker)
                    refused = True
                await jobs.begin({} if refused else waiting, slots)
                if jobs.tasks:
                    self._busy_at, self._poll_s = time.monotonic(), poll_s(self._storage)
                    await jobs.wait(self._poll_s)
                    continue
                # What is waiting runs elsewhere.
                if self._is_over() or refused or await self._next_problem(queued.folder):
                    return
                await self._pause()
        finally:
            await jobs.end()
            await workers.close()

    def _beyond(self, waiting: Mapping[str, str]) -> str:
        """Why the sandbox is too weak for one of the jobs; empty where it is not."""
        has = self._offer.sandbox.level
        for level in ("strict", "best-effort"):
            if not meets(f"{has}:", level) and any(key.endswith(f"-{level}") for key in waiting):
                return (
                    f"they ask for a {level} sandbox and this worker has {has}: "
                    f"start it with --sandbox {level}"
                )
        return ""


class _Jobs:
    """The jobs that a worker runs at the moment, each a task by its key."""

    def __init__(self, queue: Queue, problem: Problem, workers: LocalWorkers, tell: Tell) -> None:
        self.queue, self._problem, self._workers, self._tell = queue, problem, workers, tell
        self._data = problem.data()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        # Of these the trial has ended, and what it measured is being written.
        self._written: set[str] = set()

    async def begin(self, waiting: Mapping[str, str], slots: int) -> None:
        """Takes waiting jobs as long as slots are free."""
        for key, name in waiting.items():
            if len(self.tasks.keys() - self._written) >= slots:
                return
            if key in self.tasks:
                continue
            lease = await in_thread(self.queue.lease, key)
            if lease is not None:
                self.tasks[key] = asyncio.create_task(self._run(key, name, lease))

    def end_cancelled(self, waiting: Mapping[str, str]) -> None:
        """Ends the trials whose jobs were removed."""
        for key in self.tasks.keys() - waiting.keys() - self._written:
            self.tasks[key].cancel()

    async def wait(self, seconds: float) -> None:
        """Until a trial has ended, at most so long. Raises StoreError of a task."""
        await asyncio.wait(
            self.tasks.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for key, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[key]
                self._written.discard(key)
                with suppress(asyncio.CancelledError):
                    task.result()

    async def end(self) -> None:
        """Ends all trials; others run their jobs."""
        for key in self.tasks.keys() - self._written:
            self.tasks[key].cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _run(self, key: str, name: str, lease: Lock) -> None:
        try:
            job = await in_thread(self.queue.job, name)
            if job is None or await in_thread(self.queue.trial, key) is not None:
                # It ended between our look and our lease.
                self._written.add(key)
                await in_thread(self.queue.drop, key)
                return
            trial = await self._trial(key, job)
            self._written.add(key)
            took = trial.ended - trial.started
            self._tell(f"{job.idea_id:20} seed {job.seed:<4} {trial.status:15} {took:7.1f} s")
            await in_thread(self.queue.finish, key, trial)
        except DamagedRecord as error:
            self._written.add(key)
            self._tell(str(error))
            await in_thread(self.queue.finish, key, damaged("its job in the store"))
        finally:
            await in_thread(lease.release)

    async def _trial(self, key: str, job: QueuedJob) -> Trial:
        before = await in_thread(self.queue.tries, key)
        if before >= TRIES:
            return LOST
        needs = self._problem.file.resources
        own = self._problem, self._data, job.files, job.seed
        spec = await in_thread(trial_spec, *own, final=job.final)
        asked = Job(job.idea_id, job.content_hash, job.seed, job.priority, needs.cpus, needs.gpus)
        try:
            await in_thread(self.queue.begin, key, before)
            return await self._workers.run(asked, spec)
        except asyncio.CancelledError:
            await in_thread(self.queue.take_back, key, before)
            raise
