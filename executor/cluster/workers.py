"""Trials as Ray tasks, on any node of a cluster that has the resources of the problem.

    ray.init()
    workers = RayWorkers(problem, choose("strict"))
    with Executor(problem, store="store", workers=workers) as executor: ...

A task asks Ray for the problem's cores and GPUs. It does not ask for memory: the sandbox
enforces that bound, few trials come near it, and Ray would leave cores idle for it. A trial whose
worker or node dies is started again, at most three times in all. A node that lacks something (data,
sandbox, the problem's folder) is left out from then on; where none is left, the run ends with the
reason.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from executor.cluster.task import Needs, NodeUnfit, run_trial_here, start_slot_here
from executor.data.prepared import data_root
from executor.errors import UserError
from executor.problem.problem import Problem
from executor.records import Job, Trial
from executor.sandbox import Sandbox
from executor.trial.spec import TrialSpec
from executor.workers.local import available_cores
from executor.workers.slot_process import LOST, TRIES

_log = logging.getLogger(__name__)
# A cancelled trial ends within about a second; after this time its worker is killed.
_CANCEL_S = 5.0


class RayWorkers:
    """`slots` trials at a time, all behind a sandbox of the same level as `sandbox`.

    By default as many slots as the cluster's cores and GPUs have room for. Of this node only cores
    that exist count: CPU-only training starts Ray with more than there are. Resources in use
    by others are counted, too; a trial that finds no room waits in Ray's queue.

    Belongs to one event loop of a process that is connected to Ray. Raises UserError where no node
    can ever run a trial.
    """

    def __init__(self, problem: Problem, sandbox: Sandbox, slots: int | None = None) -> None:
        resources = problem.file.resources
        self._cpus, self._gpus = resources.cpus, resources.gpus
        self._unfit: dict[str, str] = {}
        if not self._nodes():
            raise UserError(
                f"no node of this Ray cluster has the {self._cpus} core(s) and {self._gpus} GPU(s) "
                f"of one trial of {problem.name}; add one, or lower resources in problem.toml"
            )
        self.sandbox = sandbox
        self.slots = slots or max(1, sum(map(self._room, self._nodes())))
        self._needs = Needs.of(problem, sandbox)
        self._start, self._run = ray.remote(start_slot_here), ray.remote(run_trial_here)
        # All nodes keep data under the same paths. An environment of their own also keeps these Ray
        # workers from being reused by other tasks.
        self._options: dict[str, Any] = {
            "num_cpus": self._cpus,
            "num_gpus": self._gpus,
            "max_retries": 0,
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": {"IDEATOR_RL_DATA": str(data_root())}},
        }
        self._ending: set[asyncio.Task[None]] = set()

    def _nodes(self) -> list[dict[str, Any]]:
        """The nodes that may run trials."""
        return [
            node
            for node in ray.nodes()
            if node["Alive"]
            and node["NodeID"] not in self._unfit
            and node["Resources"].get("CPU", 0) >= self._cpus
            and node["Resources"].get("GPU", 0) >= self._gpus
        ]

    def _room(self, node: dict[str, Any]) -> int:
        cores = int(node["Resources"]["CPU"])
        if node["NodeID"] == ray.get_runtime_context().get_node_id():
            cores = min(cores, len(available_cores()))
        room = cores // self._cpus
        return min(room, int(node["Resources"]["GPU"]) // self._gpus) if self._gpus else room

    async def start(self) -> None:
        """Has Ray start its workers, and them their slots, ahead of the first job."""
        task = self._start.options(**self._options)
        started = (task.remote(self._needs) for _ in range(self.slots))
        await asyncio.gather(*started, return_exceptions=True)

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        """Raises UserError when no node that is left can run trials of this problem."""
        tries = 0
        while tries < TRIES:
            task = self._run.options(**self._options, **self._avoided())
            answer = task.remote(self._needs, spec)
            try:
                return await answer
            except asyncio.CancelledError:
                await self._end(answer)
                raise
            except RayError as error:
                cause = error.cause if isinstance(error, RayTaskError) else None
                if isinstance(cause, NodeUnfit):
                    self._leave_out(cause)
                elif cause is None or isinstance(cause, (EOFError, ConnectionError)):
                    tries += 1
                    _log.info("a trial of %s is lost (try %d): %s", job.idea_id, tries, error)
                else:
                    why = " ".join(f"{type(cause).__name__} {cause}".split())
                    raise UserError(f"no trial can be started in Ray: {why}") from error
        return LOST

    def _avoided(self) -> dict[str, Any]:
        if not self._unfit:
            return {}
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(self._unfit)})"}}

    def _leave_out(self, unfit: NodeUnfit) -> None:
        if unfit.node not in self._unfit:
            self._unfit[unfit.node] = unfit.reason
            _log.warning("%s", unfit.reason)
        if not self._nodes():
            raise UserError(unfit.reason)

    async def _end(self, answer: ray.ObjectRef) -> None:
        """Returns when the trial is over, even if this call is cancelled meanwhile."""
        ending = asyncio.create_task(_cancel(answer))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def close(self) -> None:
        """Waits for the trials that are being ended; idle Ray workers go with the Ray job."""
        await asyncio.gather(*self._ending)


async def _cancel(answer: ray.ObjectRef) -> None:
    """Interrupts a task, which then ends its trial; kills its Ray worker if that takes too long."""
    for force in (False, True):
        ray.cancel(answer, force=force)
        with suppress(TimeoutError):
            await asyncio.wait_for(_over(answer), _CANCEL_S)
            return
    _log.warning("a cancelled trial does not end; its Ray worker may be unreachable")


async def _over(answer: ray.ObjectRef) -> None:
    with suppress(RayError):
        await answer
