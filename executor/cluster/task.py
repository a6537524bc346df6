"""What runs in a Ray worker: trials, one after the other, in a slot process that it owns.

    task = ray.remote(num_cpus=1, max_retries=0)(run_trial_here)
    trial = await task.remote(needs, spec)       # RayTaskError of NodeUnfit, EOFError: see below

Only trusted code is imported here; the slot process runs the trial, as with local workers.
`ray.cancel(task)` ends the trial and all its processes. When the Ray worker is killed, the slot
sees its standard input close and ends the trial and itself.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import ray

from executor.data.prepared import prepared_data
from executor.errors import ProblemError, UserError
from executor.problem.problem import Problem
from executor.records import Trial
from executor.sandbox import Sandbox, choose
from executor.tasks.background import Background
from executor.trial.spec import TrialSpec
from executor.workers.slot_process import SlotProcess, new_folder, sweep

T = TypeVar("T")
# Seconds between two looks for an interrupt.
_POLL_S = 0.05


class NodeUnfit(Exception):
    """A node that cannot run trials of this problem: its Ray id, and why in one line."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(node, reason)
        self.node, self.reason = node, reason


@dataclass(frozen=True)
class Needs:
    """What trials of a problem need on a node, besides cores and GPUs.

    `home` is the node that `sandbox` was tested on and `fingerprint` taken from; any other one
    tests a sandbox of the same level itself and has or makes the same data under the same paths.
    """

    home: str
    sandbox: Sandbox
    problem: str
    prepare: Path | None
    auto: bool
    fingerprint: str

    @classmethod
    def of(cls, problem: Problem, sandbox: Sandbox) -> Needs:
        data = problem.file.data
        return cls(
            home=ray.get_runtime_context().get_node_id(),
            sandbox=sandbox,
            problem=problem.file.data_of,
            prepare=problem.folder / data.prepare if data.prepare else None,
            auto=data.auto,
            fingerprint=problem.data().fingerprint,
        )


def start_slot_here(needs: Needs) -> None:
    """Makes a trial's start faster. Raises NodeUnfit."""
    sandbox, _ = _meet(needs)
    _slot().start(sandbox)


def run_trial_here(needs: Needs, spec: TrialSpec) -> Trial:
    """Raises NodeUnfit, or EOFError or ConnectionError when the slot dies."""
    # `ray.cancel` sends SIGINT, which is ignored below a background job of a shell script.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sandbox, hidden = _meet(needs)
    for path in filter(None, (spec.evaluate, spec.train_data, spec.held_out, spec.final)):
        if not Path(path).exists():
            raise _unfit(f"{path} is not there; {_REMEDY.format(needs.problem)}")
    return _slot().run(sandbox, replace(spec, hidden=[*spec.hidden, *hidden]))


_REMEDY = (
    "use a shared file system, or install the problem there and run: ideator-rl envs prepare {}"
)


def _unfit(reason: str) -> NodeUnfit:
    context = ray.get_runtime_context()
    node = f"{os.uname().nodename} (Ray node {context.get_node_id()[:8]})"
    return NodeUnfit(context.get_node_id(), f"trials cannot run on {node}: {reason}")


@cache
def _meet(needs: Needs) -> tuple[Sandbox, tuple[str, ...]]:
    """The sandbox of this node, and what it has to hide besides; makes data that are missing."""
    if ray.get_runtime_context().get_node_id() == needs.home:
        return needs.sandbox, ()
    try:
        if needs.prepare is not None and not needs.prepare.is_file():
            raise ProblemError(f"{needs.prepare} is not there; {_REMEDY.format(needs.problem)}")
        data = prepared_data(needs.problem, needs.prepare, auto=needs.auto)
        if data.fingerprint != needs.fingerprint:
            raise ProblemError(
                f"the data of {needs.problem} are others than on the executor's node; prepare them "
                "with the same secret (ideator-rl envs prepare --secret), version of Python and of "
                "the packages they come from"
            )
        return choose(needs.sandbox.level), tuple(map(str, data.hidden))
    except UserError as error:
        raise _unfit(str(error)) from None


class _Slot:
    """The slot of this Ray worker, kept from one trial to the next; a thread serves it."""

    def __init__(self) -> None:
        sweep()
        self._folder = new_folder() / "slot-0"
        self._process: SlotProcess | None = None
        self._made_for: tuple[Sandbox, str | None] | None = None
        self._background = Background("slot")

    def start(self, sandbox: Sandbox) -> SlotProcess:
        # Ray gives each task its own GPUs; a slot has those that it was started with.
        made_for = sandbox, os.environ.get("CUDA_VISIBLE_DEVICES")
        if self._process is None or made_for != self._made_for:
            if self._process is not None:
                self._wait(self._process.stop())
            self._process, self._made_for = SlotProcess(self._folder, sandbox), made_for
        self._wait(self._process.start())
        return self._process

    def run(self, sandbox: Sandbox, spec: TrialSpec) -> Trial:
        process = self.start(sandbox)
        try:
            return self._wait(process.run(spec))
        except BaseException:
            # Interrupted by `ray.cancel`, or the slot died.
            self._wait(process.stop())
            raise

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns in the slot's own thread; an interrupt cancels it."""
        future = self._background.start(coroutine)
        try:
            # An interrupt reaches running Python code only, so there is no single long wait.
            while not concurrent.futures.wait([future], _POLL_S).done:
                pass
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise


_slot = cache(_Slot)
