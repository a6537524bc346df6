"""An idea's way through the executor: found in the store, or implemented, measured and kept.

    way = Pipeline(problem, store, run, budget, implementer, scheduler, seed=0, sandbox="strict")
    outcome = await way.outcome(idea, seed=0, priority=0)

Whatever an earlier session, another idea or another run on the same store has finished is not done
again. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from weakref import WeakValueDictionary

from executor.budget import RunBudget
from executor.clock import now
from executor.errors import UserError
from executor.implementer.implementer import Implementer
from executor.outcomes import cancelled, outcome_of, trial_spec
from executor.problem import IMPLAUSIBLE, Problem
from executor.records import Idea, Implementation, Job, Outcome, Trial
from executor.sandbox import Level, meets
from executor.scheduler import Scheduler
from executor.store.runs import RunFolder, Store, trial_key

_LOCK_POLL_S = 0.1


class Pipeline:
    """`seed` is the run's own, `sandbox` the least under which a kept result may stand in."""

    def __init__(
        self,
        problem: Problem,
        store: Store,
        run: RunFolder,
        budget: RunBudget,
        implementer: Implementer,
        scheduler: Scheduler,
        *,
        seed: int,
        sandbox: Level,
    ) -> None:
        self._problem, self._data = problem, problem.data()
        self._store, self._run, self._budget = store, run, budget
        self._implementer, self._scheduler = implementer, scheduler
        self._seed, self._sandbox = seed, sandbox
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def outcome(
        self,
        idea: Idea,
        seed: int,
        priority: int,
        made: Implementation | None = None,
        *,
        final: bool = False,
    ) -> Outcome:
        """How a trial of an idea ends. `made` is its code where there is some already; `final` asks
        for the final part of the held-out data, too.

        Raises UserError when the idea's id stands for another text, StoreError.
        """
        key = trial_key(idea.id, seed, self._seed)
        # The clock may find in the store what is submitted here: one of the two waits.
        turn = self._turns.setdefault(f"trial {key}", asyncio.Lock())
        async with turn:
            kept = self._run.idea(key)
            if kept is not None and kept.text != idea.text:
                raise UserError(
                    f"idea id {idea.id!r} is taken in the run {self._run.name} by another text; "
                    "choose another id or another run"
                )
            finished = self._run.outcome(key)
            job = Job(idea.id, "", seed, priority, submitted_at=now(), final=final)
            return finished or await self._new_outcome(key, idea, job, made)

    async def _new_outcome(
        self, key: str, idea: Idea, asked: Job, made: Implementation | None
    ) -> Outcome:
        seed = asked.seed
        if not self._budget.admit(key):
            return cancelled(self._problem, idea, seed, str(self._budget))
        try:
            # The deadline is on the monotonic clock, which the event loop uses too.
            async with asyncio.timeout_at(self._budget.deadline) as clock:
                if self._run.idea(key) is None:
                    self._run.write_idea(key, idea)
                if asked.final:
                    # Before the code, so that no other process takes it for an ordinary repeat.
                    self._run.write_job(key, asked)
                implementation = await self._implement(key, idea, made)
                if implementation.status == "completed":
                    job = self._job(asked, implementation)
                    repaired = self._run.repaired(key)
                    outcome = await self._measure(key, idea, implementation.files, job, repaired)
                    mended = None
                    if made is None and not repaired:
                        mended = await self._repair(key, idea, outcome)
                    if mended is not None:
                        job = self._job(asked, mended)
                        outcome = await self._measure(key, idea, mended.files, job, True)
                    outcome = replace(outcome, repaired=repaired or mended is not None)
                else:
                    failed = Trial(implementation.status, "implement", detail=implementation.detail)
                    outcome = outcome_of(self._problem, idea, seed, failed, "")
        except TimeoutError:
            if not clock.expired():
                raise
            return cancelled(self._problem, idea, seed, str(self._budget))
        outcome = replace(outcome, submitted_at=asked.submitted_at, finished_at=now())
        self._run.write_outcome(key, outcome)
        self._run.record("finished", key=key, status=outcome.status, reward=outcome.reward)
        if outcome.detail.startswith(IMPLAUSIBLE):
            self._run.record("implausible", key=key, detail=outcome.detail)
        return outcome

    async def _implement(self, key: str, idea: Idea, made: Implementation | None) -> Implementation:
        if (files := self._run.codebase(key)) is not None:
            return Implementation("completed", files, self._run.diff(key))
        if (files := self._run.codebase(idea.id)) is not None:
            # Another seed of an idea is another trial of the same code.
            made = Implementation("completed", files, self._run.diff(idea.id))
        implementation = made or await self._implementer.implement(idea)
        self._run.write_implementation(key, implementation)
        return implementation

    async def _repair(self, key: str, idea: Idea, outcome: Outcome) -> Implementation | None:
        """What takes the place of a codebase whose training crashed, if anything does."""
        if outcome.status != "crashed" or outcome.stage != "train":
            return None
        exchange, log = self._run.exchange(key), self._run.log(key)
        mended = await self._implementer.repair(idea, exchange, outcome, log)
        if mended is None:
            return None
        self._run.write_repair(key, mended)
        return mended if mended.status == "completed" else None

    def _job(self, asked: Job, made: Implementation) -> Job:
        content = self._problem.content_hash(made.files, asked.seed, final=asked.final)
        resources = self._problem.file.resources
        return replace(asked, content_hash=content, cpus=resources.cpus, gpus=resources.gpus)

    async def _measure(
        self, key: str, idea: Idea, files: Mapping[str, str], job: Job, repaired: bool
    ) -> Outcome:
        """The outcome of a codebase: an earlier one of the same content, or a trial's."""
        own_log = self._run.log_path(key, repaired=repaired)
        async with self._only_one(job.content_hash):
            found = self._store.result(job.content_hash)
            if found is not None and meets(found[0].sandbox, self._sandbox):
                earlier, log_path = found
                own = log_path == own_log
                if not own:
                    self._run.write_log(key, self._store.read_text(log_path), repaired=repaired)
                return replace(earlier, idea_id=idea.id, cached=not own)
            self._run.write_job(key, job)
            spec = trial_spec(self._problem, self._data, files, job.seed, final=job.final)
            trial = await self._scheduler.run(job, spec)
            outcome = outcome_of(self._problem, idea, job.seed, trial, job.content_hash)
            self._run.write_log(key, trial.log, repaired=repaired)
            self._run.write_exam_log(key, trial.exam_log)
            if trial.ended:
                # Where no worker saw its end, it tells of the machine and not of the codebase.
                self._store.keep_result(outcome, own_log)
            self._run.record("trial", key=key, started=trial.started, ended=trial.ended)
            return outcome

    @asynccontextmanager
    async def _only_one(self, content: str) -> AsyncIterator[None]:
        """Held by one idea at a time, in this process and in others on the same store."""
        turn = self._turns.setdefault(content, asyncio.Lock())
        async with turn:
            while (lock := self._store.lock_result(content)) is None:
                await asyncio.sleep(_LOCK_POLL_S)
            try:
                yield
            finally:
                lock.release()
