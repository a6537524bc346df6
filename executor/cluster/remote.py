"""An executor for a whole Ray job: it lives in an actor, any process of the job submits ideas.

    runs = (ProblemRun(problem, "first"),)
    [remote] = start_executors("first", ActorSettings(runs, "store", slots=2))   # the driver
    remote = RemoteExecutor.connect(remote.name)                                 # any other process
    outcome = remote.submit(Idea("a", "[Experiment] …")).result()

There is one executor a run, and their trials share the slots. Trials run as Ray tasks unless a run
says otherwise. Ray must be initialised; the processes have to belong to one Ray job.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from executor.cluster.actor import ActorSettings, ExecutorActor
from executor.data.prepared import data_root
from executor.errors import ExecutorClosed, ExecutorLost, UserError
from executor.problem.problem import Problem
from executor.records import Idea, Outcome

T = TypeVar("T")
_IDEAS_AT_ONCE = 1000
_GROUPS: dict[str, Any] = {"concurrency_groups": {"control": 100}}
# An executor that restarts has to open its run first.
_ANSWER_S = 120.0


class RemoteExecutor:
    """What a `ResearchEnv` needs of an executor; see `start_executors` and `connect`.

    `problem`, `run` and `slots` are the executor's; `name` is the actor's, which may have others
    beside it: stages, failures, how busy slots are and the end are those of all. Errors come as the
    executor raises them, UserError and StoreError as such; ExecutorLost when it is gone for good.
    """

    def __init__(self, name: str, actor: Any, run: str | None = None) -> None:
        self.name = name
        self._actor, self._closed = actor, False
        self.run: str
        self.problem: Problem
        self.slots: int
        self.run, self.problem, self.slots = self._ask(actor.described.remote(run))

    @classmethod
    def connect(cls, name: str, run: str | None = None) -> RemoteExecutor:
        """The executor of a run, by default the first, in the actor of that name in this Ray job.
        Raises ExecutorLost where there is none."""
        try:
            return cls(name, ray.get_actor(name), run)
        except ValueError:
            raise ExecutorLost(f"there is no {name} in this Ray job (any more)") from None

    def submit(self, idea: Idea, *, seed: int | None = None, priority: int = 0) -> Future[Outcome]:
        """Starts one idea; cancelling the future ends its trial. Every error, also of a bad id, is
        raised by the future."""
        return self._future(self._actor.outcome.remote(self.run, idea, seed, priority))

    def submit_baseline(self, seed: int | None = None, *, priority: int = 1) -> Future[Outcome]:
        """Starts the unpatched codebase; it is not an idea and uses no idea budget."""
        return self._future(self._actor.outcome.remote(self.run, None, seed, priority))

    def stats(self) -> dict[str, int]:
        """`slots`, and how many ideas are `running` (trials), `queued` and `finished` since the
        executor's (last) start."""
        return self._ask(self._actor.stats.remote(self.run))

    def busy(self, since: float, until: float) -> float:
        """The share of slot-seconds spent in trials between two Unix times, 0 to 1. Trials
        before the executor's last start are not known."""
        return self._ask(self._actor.busy.remote(self.run, since, until))

    def mark(self, stage: str) -> None:
        """Records the stage of the caller's work for observers. Does not wait."""
        self._actor.mark.remote(stage)

    def stage(self) -> tuple[str, float]:
        """The last stage that was marked, and the Unix time of that; `""` and the time of the
        executor's (last) start where there is none."""
        return self._ask(self._actor.stage.remote())

    def failure(self) -> str | None:
        """Why no further idea can be implemented, such as a budget for a language model that is
        spent, since the executor's (last) start; None without such a reason."""
        return self._ask(self._actor.failure.remote())

    def close(self) -> None:
        """Ends all trials and the actor; finished trials are in the store, others are cancelled."""
        self._closed = True
        with suppress(ExecutorLost):
            self._ask(self._actor.close.remote())
        ray.kill(self._actor)

    def _ask(self, answer: Any) -> Any:
        try:
            return ray.get(answer, timeout=_ANSWER_S)
        except RayError as error:
            raise self._plain(error) from error

    def _future(self, answer: Any) -> Future[Outcome]:
        """`answer` as a future whose errors are plain and which can be cancelled."""
        result: Future[Outcome] = Future()
        begun = not self._closed

        def take(answered: Future[Outcome]) -> None:
            if not result.set_running_or_notify_cancel():
                return
            if (error := answered.exception()) is not None:
                plain = self._plain(error)
                # The actor may be gone before its last answers are here.
                ended = begun and self._closed and isinstance(plain, ExecutorLost)
                result.set_exception(CancelledError() if ended else plain)
            else:
                result.set_result(answered.result())

        def cancel(result: Future[Outcome]) -> None:
            if result.cancelled():
                ray.cancel(answer)

        result.add_done_callback(cancel)
        answer.future().add_done_callback(take)
        return result

    def _plain(self, error: BaseException) -> BaseException:
        """What a Ray error stands for."""
        if isinstance(error, TaskCancelledError):
            return CancelledError()
        # An actor still answers for a moment after it was told to end.
        ending = isinstance(error, RayTaskError) and isinstance(error.cause, ExecutorClosed)
        if isinstance(error, RayTaskError) and not ending:
            return error.cause if isinstance(error.cause, UserError) else error
        if not isinstance(error, RayError):
            return error
        why = "does not answer" if isinstance(error, GetTimeoutError) else "is gone"
        return ExecutorLost(
            f"{self.name} {why}; what is finished is kept, and the same command goes on from there"
        )


def start_executors(name: str, settings: ActorSettings) -> list[RemoteExecutor]:
    """Opens an executor a run in an actor on this node that ends with the calling Ray driver.

    Args:
        name: what they are for, of which a Ray job has one actor.
        settings: the runs, and how all of them are opened. A store that is a relative path is
            one of the working directory.

    Returns:
        The executors in the order of the runs, when all are open.

    Raises:
        UserError, StoreError: as `Executor` does.
    """
    if "://" not in settings.store:
        settings = replace(settings, store=str(Path(settings.store).expanduser().absolute()))
    actor_name = f"executor of {name}"
    here = ray.get_runtime_context().get_node_id()
    try:
        actor: Any = (
            ray.remote(**_GROUPS)(ExecutorActor)
            .options(
                name=actor_name,
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=-1,
                max_concurrency=_IDEAS_AT_ONCE,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
                runtime_env={"env_vars": {"IDEATOR_RL_DATA": str(data_root())}},
            )
            .remote(settings)
        )
    except ValueError:
        raise UserError(f"the run {name} has an executor in this Ray job already") from None
    try:
        return [RemoteExecutor(actor_name, actor, own.run) for own in settings.runs]
    except BaseException:
        ray.kill(actor)
        raise
