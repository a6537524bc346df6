"""The executor: a batch of ideas in, measured outcomes out, in order or as they complete.

    >>> from executor import load_problem
    >>> problem = load_problem("gym_envs/digits")
    >>> with Executor(problem, store="store", slots=1, sandbox="best-effort") as executor:
    ...     outcomes = executor.execute([Idea("a", "[Experiment] Think harder.")])
    >>> outcomes[0].status
    'not_implemented'

The same run name again resumes: finished trials are read from the store, the others run. Identical
codebases run once per seed, in one run or across runs that share a store.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from executor.budget import RunBudget
from executor.causes import keep_cause, watched
from executor.errors import ExecutorClosed, UserError
from executor.implementer.implementer import DirectImplementer, Implementer, finished
from executor.left_work import left_in
from executor.pipeline import Pipeline
from executor.problem.problem import Problem
from executor.records import Idea, Implementation, Outcome
from executor.run_records import START, SessionClock, new_start
from executor.sandbox import Level, Sandbox, choose, choose_ahead
from executor.scheduler import Scheduler, Workers
from executor.settings import MOST_SLOTS
from executor.store.runs import Store
from executor.store.threads import in_thread, in_threads
from executor.tasks.background import Background
from executor.trial_keys import BASELINE, check_idea_id, repeat_seed, trial_key
from executor.workers.local import LocalWorkers, local_slots


class Executor:
    """Executes ideas on one problem, in one run of a store.

    Args:
        problem: the problem that the ideas are for.
        store: a local folder or an fsspec URL.
        run: the run's name; the same name resumes.
        slots: trials at a time; by default as many as this machine's cores allow.
        implementer: turns ideas into code; by default ideas carry their own edits.
        workers: where trials run; by default processes on this machine.
        sandbox: how trials are sandboxed: a level, or what `sandbox.choose` returned.
        seed: the seed that trials get unless `submit` is told another.
        period_s: how often the store is searched for codebases that another process left there.
        max_ideas: ideas the run may hold, resumed ones included; more are `cancelled`.
        max_seconds: wall time of the run, earlier sessions included; what is unfinished then is
            `cancelled` and leaves no outcome.

    Attributes:
        problem, seed: as they were given.
        sandbox: how trials are sandboxed.
        slots: trials at a time.
        store, run: where everything is kept.

    Raises:
        UserError: no slots, a sandbox that cannot be had, or GPUs that are not there.
        ProblemError: the problem's data are missing, or cannot be prepared.
        StoreError: the store cannot be written, or the run is in use (RunInUse), or belongs to
            another version of the problem, another seed or a weaker sandbox.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        store: str | Path = "store",
        run: str = "default",
        slots: int | None = None,
        implementer: Implementer | None = None,
        workers: Workers | None = None,
        sandbox: Level | Sandbox = "strict",
        seed: int = 0,
        period_s: float = 10.0,
        max_ideas: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        if slots is not None and not 1 <= slots <= MOST_SLOTS:
            raise UserError(f"slots: must be from 1 to {MOST_SLOTS} (got {slots})")
        if workers is not None:
            sandbox = workers.sandbox
        if not isinstance(sandbox, Sandbox):
            choose_ahead(sandbox)
        data = problem.data()
        self.sandbox = sandbox if isinstance(sandbox, Sandbox) else choose(sandbox)
        self._asked: Level = sandbox.level if isinstance(sandbox, Sandbox) else sandbox
        self.problem, self.seed = problem, seed
        resources = problem.file.resources
        self.slots = (
            workers.slots if workers else local_slots(slots, resources.cpus, resources.gpus)
        )
        self.store = Store(store)
        self.run = self.store.run(run)
        self._lock = self.run.lock()
        try:
            # What was used before is counted meanwhile: a store may be far away.
            with concurrent.futures.ThreadPoolExecutor(2) as beside:
                used = beside.submit(RunBudget, self.run, max_ideas, max_seconds)
                session = beside.submit(SessionClock, self.run)
                start = new_start(self.run, problem, seed, self._asked)
            self._budget, self._session = used.result(), session.result()
            sandbox_text = str(self.sandbox)
            calls = [partial(self.run.keep, START, start)] if start else []
            calls.append(partial(self._session.begin, self.slots, sandbox_text))
            self.store.at_once(calls)
            self.run.record("start", slots=self.slots, problem=problem.name, sandbox=sandbox_text)
        except BaseException:
            self._lock.release()
            raise
        self._workers = workers or LocalWorkers(
            self.slots, self.sandbox, resources.cpus, resources.gpus
        )
        self._implementer = implementer or DirectImplementer(problem)
        self._scheduler = Scheduler(self._workers, period_s, self._adopt)
        self._pipeline = Pipeline(
            problem,
            data,
            self.store,
            self.run,
            self._budget,
            self._session,
            self._implementer,
            self._scheduler,
            seed=seed,
            sandbox=self._asked,
        )
        self._seen: set[str] = set()
        self._background = Background("executor")
        for work in (self._workers.start, self._scheduler.tick_forever):
            self._background.start(watched(work, self.run))

    # ---- ideas in, outcomes out

    def submit(
        self, idea: Idea, *, seed: int | None = None, priority: int = 0, final: bool = False
    ) -> concurrent.futures.Future[Outcome]:
        """Starts one idea.

        Args:
            idea: its id names it in the run; the same id again is the same idea.
            seed: the trial's seed; by default the executor's.
            priority: the highest runs first, then the oldest.
            final: it is examined on the final part of the held-out data, too. For confirmations
                only, since what a search has seen is no longer untouched.

        Returns:
            The outcome, as a future; cancelling it ends the trial. An idea that fails has an
            outcome, too. The future raises StoreError where the store fails, UserError where the
            implementer does, and CancelledError where the executor is closed before.

        Raises:
            UserError: the id is not valid.
            ExecutorClosed: the executor is closed.
        """
        if self._background.closed:
            raise ExecutorClosed("this executor is closed")
        check_idea_id(idea.id)
        return self._submit(idea, seed, priority, None, final=final)

    def submit_baseline(
        self, seed: int | None = None, *, priority: int = 1, final: bool = False
    ) -> concurrent.futures.Future[Outcome]:
        """Starts the unpatched codebase; it is not an idea and uses no idea budget.

        Args:
            seed, priority, final: as in `submit`.

        Returns:
            The baseline's outcome, as a future; see `submit`.
        """
        unpatched = Implementation("completed", self.problem.codebase)
        baseline = Idea(BASELINE, "", origin=BASELINE)
        return self._submit(baseline, seed, priority, unpatched, final=final)

    def submit_codebase(
        self,
        idea: Idea,
        files: Mapping[str, str],
        *,
        seed: int | None = None,
        final: bool = False,
    ) -> concurrent.futures.Future[Outcome]:
        """Starts a codebase that an implementer made of an idea at some other time.

        Args:
            idea: the idea.
            files: the patched codebase, path to text; it is held to the same rules as any other.
            seed, final: as in `submit`.

        Returns:
            The outcome, as a future; see `submit`.
        """
        check_idea_id(idea.id)
        return self._submit(idea, seed, 0, finished(self.problem, files), final=final)

    def _submit(
        self,
        idea: Idea,
        seed: int | None,
        priority: int,
        made: Implementation | None,
        *,
        final: bool = False,
        left: bool = False,
    ) -> concurrent.futures.Future[Outcome]:
        seed = self.seed if seed is None else seed
        self._seen.add(trial_key(idea.id, seed, self.seed))
        return self._background.start(
            self._pipeline.outcome(idea, seed, priority, made, final=final, left=left)
        )

    def execute(self, ideas: Iterable[Idea]) -> list[Outcome]:
        """Runs a batch.

        Args:
            ideas: the ideas, each with an id of its own.

        Returns:
            Their outcomes, in the same order.

        Raises:
            UserError: an id is not valid, or the implementer failed.
            StoreError: an outcome cannot be stored. The other trials go on.
            ExecutorClosed: the executor is closed.
        """
        futures = [self.submit(idea) for idea in ideas]
        # A store error ends the batch at once, even if trials still run.
        for future in concurrent.futures.as_completed(futures):
            future.result()
        return [future.result() for future in futures]

    async def aexecute(self, ideas: Iterable[Idea]) -> list[Outcome]:
        """`execute` for async code, on any event loop; arguments, result and errors are its."""
        futures = [asyncio.wrap_future(self.submit(idea)) for idea in ideas]
        return list(await asyncio.gather(*futures))

    def as_completed(self, ideas: Iterable[Idea]) -> Iterator[Outcome]:
        """Runs a batch.

        Args:
            ideas: the ideas, each with an id of its own. They start with the first `next`.

        Yields:
            Each outcome as soon as it exists.

        Raises:
            UserError, StoreError, ExecutorClosed: as `execute`.
        """
        futures = [self.submit(idea) for idea in ideas]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()

    async def first_trial(self) -> None:
        """Returns when a trial of this session has begun; where trials do not run in slots of this
        machine, when one was given to the workers. Never, if there is none."""
        workers = self._workers
        event = workers.begun if isinstance(workers, LocalWorkers) else self._scheduler.has_given
        await asyncio.wrap_future(self._background.start(event.wait()))

    @property
    def begun(self) -> frozenset[str]:
        """The trials of earlier sessions, by key, ended or not."""
        return self._budget.begun

    def ideas_left(self) -> float:
        """How many new ideas the budget still admits; infinite without `max_ideas`."""
        return self._budget.ideas_left()

    def seconds_left(self) -> float:
        """Wall seconds that the budget still admits; infinite without `max_seconds`."""
        return self._budget.seconds_left()

    # ---- life

    def close(self) -> None:
        """Ends all trials and their processes; finished trials are in the store. Closing it again
        does nothing.

        Raises:
            StoreError: the end of the run cannot be recorded; the run is free all the same.
        """
        if self._background.closed:
            return
        self._background.close(self._close_parts)
        try:
            self.run.record("stop")
            in_threads(lambda keep: keep(), [self._session.keep, self.run.flush])
        finally:
            self._lock.release()

    async def _close_parts(self) -> None:
        await self._workers.close()
        await self._implementer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            keep_cause(error, self.run)
        self.close()

    async def _adopt(self) -> None:
        """Starts what another process left in the store."""
        if self._session.is_due():
            await in_thread(self._session.keep)
        await in_thread(self.run.flush)
        async for key, idea, final in left_in(self.run, self._seen):
            outcome = self._submit(idea, repeat_seed(key), 0, None, final=final, left=True)
            self._background.start(watched(partial(asyncio.wrap_future, outcome), self.run))
