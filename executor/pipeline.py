"""An idea's way through the executor: found in the store, or implemented, measured and kept.

    way = Pipeline(problem, data, store, run, budget, session, implementer, scheduler, seed=0, …)
    outcome = await way.outcome(idea, seed=0, priority=0)

Whatever an earlier session, another idea or another run on the same store has finished is not done
again. What a trial needs no answer to is written while it runs; its log and its result follow, and
then its outcome, so that what is there after a kill is complete. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

from executor.budget import RunBudget
from executor.clock import now
from executor.data.prepared import PreparedData
from executor.errors import UserError
from executor.implementer.implementer import DirectImplementer, Implementer
from executor.outcomes import cancelled, outcome_of, trial_spec
from executor.problem.problem import IMPLAUSIBLE, Problem
from executor.records import Idea, Implementation, Job, Outcome, Trial
from executor.run_records import SessionClock
from executor.sandbox import Level, meets
from executor.scheduler import Scheduler
from executor.store.kept_result import KeptResult
from executor.store.result_turns import ResultTurn, ResultTurns
from executor.store.runs import RunFolder, Store
from executor.store.threads import in_thread
from executor.tasks.places import Places
from executor.tasks.task_group import task_group
from executor.trial_keys import check_idea_id, trial_key
from executor.way import Way

# Ideas that are under way at a time, the waiting ones included: each has a file open in the store.
UNDER_WAY, UNDER_WAY_A_SLOT = 256, 8


class _Taken(Exception):
    """The store has an idea of this name, though nobody here has begun it."""


class Pipeline:
    """`seed` is the run's own, `sandbox` the least under which a kept result may stand in."""

    def __init__(
        self,
        problem: Problem,
        data: PreparedData,
        store: Store,
        run: RunFolder,
        budget: RunBudget,
        session: SessionClock,
        implementer: Implementer,
        scheduler: Scheduler,
        *,
        seed: int,
        sandbox: Level,
    ) -> None:
        self._problem, self._data = problem, data
        self._store, self._run = store, run
        self._budget, self._session = budget, session
        self._implementer, self._scheduler = implementer, scheduler
        self._seed, self._sandbox = seed, sandbox
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._results = ResultTurns(store)
        # The trials that were begun here, by key.
        self._begun: set[str] = set()
        self._looking, self._has_looked = asyncio.Lock(), False
        self._places = Places(max(UNDER_WAY, UNDER_WAY_A_SLOT * scheduler.slots))

    async def outcome(
        self,
        idea: Idea,
        seed: int,
        priority: int,
        made: Implementation | None = None,
        *,
        final: bool = False,
        left: bool = False,
    ) -> Outcome:
        """How a trial of an idea ends. `made` is its code where there is some already; `final` asks
        for the final part of the held-out data, too; another process `left` it in the store.

        Raises UserError when the idea's id stands for another text, StoreError.
        """
        key = trial_key(idea.id, seed, self._seed)
        # Both before the first wait: in the order in which ideas are submitted.
        job = Job(idea.id, "", seed, priority, submitted_at=now(), final=final)
        admitted = self._budget.admit(key)
        # The clock may find in the store what is submitted here: one of the two waits.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn, self._places.one(priority, job.submitted_at):
            known = left or key in self._begun or key in self._budget.begun
            self._begun.add(key)
            if admitted and not known:
                # Not looked for: it is written unless it is there.
                with suppress(_Taken):
                    return await self._begin(Way(key, idea, job, is_new=True), made)
            kept = await in_thread(self._run.idea, key)
            if kept is not None and (kept.text, kept.base) != (idea.text, idea.base):
                raise UserError(
                    f"idea id {idea.id!r} is taken in the run {self._run.name} by another text; "
                    "choose another id or another run"
                )
            # Without its idea, which is written first, there is nothing of a trial.
            if kept and (finished := await in_thread(self._run.outcome, key)) is not None:
                return finished
            if not admitted:
                return cancelled(self._problem, idea, seed, str(self._budget))
            return await self._begin(Way(key, idea, job, is_known=kept is not None), made)

    async def _begin(self, way: Way, made: Implementation | None) -> Outcome:
        async with task_group() as way.writes:
            return await self._new_outcome(way, made)

    async def _new_outcome(self, way: Way, made: Implementation | None) -> Outcome:
        try:
            # The deadline is on the monotonic clock, which the event loop uses too.
            async with asyncio.timeout_at(self._budget.deadline) as clock:
                outcome = await self._executed(way, made)
                await way.written()
        except TimeoutError:
            if not clock.expired():
                raise
            return way.kept or cancelled(self._problem, way.idea, way.asked.seed, str(self._budget))
        if way.kept is not None:
            return way.kept
        return await in_thread(self._keep_outcome, way, outcome)

    async def _executed(self, way: Way, made: Implementation | None) -> Outcome:
        if not way.is_known:
            way.claim(self._write_idea, way)
            if not isinstance(self._implementer, DirectImplementer):
                # What is paid for waits: another process may have an answer already.
                await way.claimed()
        if way.asked.final:
            # Before the code, so that no other process takes it for an ordinary repeat.
            way.write(self._run.write_job, way.key, way.asked)
        implementation = await self._implement(way, made)
        if implementation.status != "completed":
            failed = Trial(implementation.status, "implement", detail=implementation.detail)
            return outcome_of(self._problem, way.idea, way.asked.seed, failed, "")
        repaired = way.is_known and await in_thread(self._run.repaired, way.key)
        outcome = await self._measure(way, implementation.files, repaired)
        mended = None
        if made is None and not repaired:
            mended = await self._repair(way, outcome)
        if mended is not None:
            outcome = await self._measure(way, mended.files, True)
        return replace(outcome, repaired=repaired or mended is not None)

    async def _implement(self, way: Way, made: Implementation | None) -> Implementation:
        if way.is_known and (stored := await self._stored(way.key)) is not None:
            return stored
        if made is None and way.key != way.idea.id:
            # Another seed of an idea is another trial of the same code.
            made = await self._stored(way.idea.id)
        implementation = made or await self._implementer.implement(way.idea, *await self._base(way))
        way.write(self._run.write_implementation, way.key, implementation)
        return implementation

    async def _base(self, way: Way) -> tuple[Mapping[str, str], ...]:
        """The codebase that the idea changes; empty where that is the baseline, so that an
        implementer need not know of others. Raises UserError."""
        if not way.idea.base:
            return ()
        check_idea_id(way.idea.base)
        files = await in_thread(self._run.codebase, way.idea.base)
        if files is None:
            raise UserError(
                f"idea {way.idea.id}: its base {way.idea.base!r:.150} has no codebase in the run "
                f"{self._run.name}; name an executed idea of the run, or none for the baseline"
            )
        return (files,)

    async def _stored(self, key: str) -> Implementation | None:
        files, diff = await asyncio.gather(
            in_thread(self._run.codebase, key), in_thread(self._run.diff, key)
        )
        return None if files is None else Implementation("completed", files, diff)

    async def _repair(self, way: Way, outcome: Outcome) -> Implementation | None:
        """What takes the place of a codebase whose training crashed, if anything does."""
        if not _may_be_repaired(outcome):
            return None
        await way.written()
        exchange, log = await asyncio.gather(
            in_thread(self._run.exchange, way.key), in_thread(self._run.log, way.key)
        )
        mended = await self._implementer.repair(
            way.idea, exchange, outcome, log, *await self._base(way)
        )
        if mended is None:
            return None
        way.write(self._run.write_repair, way.key, mended)
        return mended if mended.status == "completed" else None

    async def _measure(self, way: Way, files: Mapping[str, str], repaired: bool) -> Outcome:
        """The outcome of a codebase: an earlier one of the same content, or a trial's."""
        final, resources = way.asked.final, self._problem.file.resources
        content = self._problem.content_hash(files, way.asked.seed, final=final)
        job = replace(way.asked, content_hash=content, cpus=resources.cpus, gpus=resources.gpus)
        own_log = self._run.log_path(way.key, repaired=repaired)
        async with self._results.one(content) as turn:
            if turn.found is not None and meets(turn.found.outcome.sandbox, self._sandbox):
                earlier = turn.found
                way.write(self._copy_log, earlier, way.key, repaired)
                cached = earlier.log != own_log
                return replace(earlier.outcome, idea_id=way.idea.id, cached=cached)
            way.write(self._run.write_job, way.key, job)
            if files != self._problem.codebase:
                await self._look()
            spec = trial_spec(self._problem, self._data, files, job.seed, final=final)
            await way.claimed()
            trial = await self._scheduler.run(job, spec)
            outcome = outcome_of(self._problem, way.idea, job.seed, trial, content)
            await way.written()
            if self._session.is_due():
                # Beside the outcome, which does not depend on it.
                way.write(self._session.keep)
            await in_thread(self._keep_trial, way, trial, outcome, repaired, turn)
            return outcome

    async def _look(self) -> None:
        """Returns when it is known what patched code must not see."""
        async with self._looking:
            if not self._has_looked:
                await in_thread(lambda: self._data.hidden)
                self._has_looked = True

    # ---- in threads

    def _write_idea(self, way: Way) -> None:
        if not way.is_new:
            self._run.write_idea(way.key, way.idea)
        elif not self._run.write_new_idea(way.key, way.idea):
            raise _Taken

    def _copy_log(self, earlier: KeptResult, key: str, repaired: bool) -> None:
        """Its own, too: a kill may have come before it was written."""
        text = self._store.read_text(earlier.log) if earlier.text is None else earlier.text
        self._run.write_log(key, text, repaired=repaired)

    def _keep_trial(
        self, way: Way, trial: Trial, outcome: Outcome, repaired: bool, turn: ResultTurn
    ) -> None:
        calls: list[Callable[[], object]] = [
            partial(self._run.write_log, way.key, trial.log, repaired=repaired),
            partial(self._run.write_exam_log, way.key, trial.exam_log),
        ]
        if trial.ended:
            # Where no worker saw its end, it tells of the machine and not of the codebase.
            log_path = self._run.log_path(way.key, repaired=repaired)
            calls.append(partial(turn.keep, KeptResult(outcome, log_path, trial.log)))
        self._store.at_once(calls)
        # Before the outcome: what has one leaves no lock behind, not even at a kill.
        turn.release()
        self._run.record("trial", key=way.key, started=trial.started, ended=trial.ended)
        if not _may_be_repaired(outcome):
            # The same thread at once, since to ask another costs as much as to write.
            self._keep_outcome(way, replace(outcome, repaired=repaired))

    def _keep_outcome(self, way: Way, outcome: Outcome) -> Outcome:
        outcome = replace(outcome, submitted_at=way.asked.submitted_at, finished_at=now())
        self._run.write_outcome(way.key, outcome)
        self._run.record("finished", key=way.key, status=outcome.status, reward=outcome.reward)
        if outcome.detail.startswith(IMPLAUSIBLE):
            self._run.record("implausible", key=way.key, detail=outcome.detail)
        way.kept = outcome
        return outcome


def _may_be_repaired(outcome: Outcome) -> bool:
    """Whether an implementer may be asked for another codebase."""
    return outcome.status == "crashed" and outcome.stage == "train"
