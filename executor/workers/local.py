"""Trials on this machine: N slots, each a process with its own share of the cores."""

from __future__ import annotations

import asyncio
import os
import shutil

from executor.errors import UserError
from executor.records import Job, Trial
from executor.sandbox import Sandbox
from executor.sandbox.visible import gpu_names
from executor.trial.spec import TrialSpec
from executor.workers.machine_shares import Shares
from executor.workers.slot_process import LOST, TRIES, SlotProcess, new_folder, sweep


class LocalWorkers:
    """`slots` trials at a time, all behind `sandbox`. With enough cores every slot is pinned to
    cores of its own, and it has GPUs of its own: those that the fewest runs on this machine have.
    `begun` is set when the first trial begins."""

    def __init__(
        self, slots: int, sandbox: Sandbox, cpus_per_slot: int = 1, gpus_per_slot: int = 0
    ) -> None:
        self.slots, self.sandbox, self.begun = slots, sandbox, asyncio.Event()
        sweep()
        self._folder = new_folder()
        self._shares = Shares()
        cores = _share_cores(self._shares, slots, cpus_per_slot)
        gpus = _share_gpus(self._shares, slots, gpus_per_slot)
        self._slots = [
            SlotProcess(self._folder / f"slot-{i}", sandbox, cores[i], gpus[i])
            for i in range(slots)
        ]
        self._free = list(self._slots)

    async def start(self) -> None:
        """Starts every slot ahead of the first job."""
        await asyncio.gather(*(slot.start() for slot in self._slots))

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        """Runs one trial; the caller keeps at most `slots` of them going.

        A slot that dies is started again and so is the trial, at most three times in all.
        """
        slot = self._free.pop()
        try:
            for _ in range(TRIES):
                try:
                    return await slot.run(spec, self.begun.set)
                except (EOFError, ConnectionError):
                    await slot.stop()
            return LOST
        except asyncio.CancelledError:
            await slot.stop()
            raise
        finally:
            self._free.append(slot)

    async def close(self) -> None:
        """Ends every slot and its trial."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        self._shares.release()
        shutil.rmtree(self._folder, ignore_errors=True)


def available_cores() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def local_slots(slots: int | None, cpus: int, gpus: int) -> int:
    """The trials at a time on this machine; as many as its cores and GPUs allow if not given.

    Raises UserError where there are not enough GPUs.
    """
    most = len(gpu_names()) // gpus if gpus else None
    if most == 0:
        raise UserError(
            f"a trial asks for {gpus} GPUs and this machine has {len(gpu_names())}: "
            "set problem.resources.gpus, or run it where there are as many, such as on a Ray "
            "cluster (executor.workers.kind: ray)"
        )
    if most is not None and slots is not None and slots > most:
        raise UserError(
            f"{slots} slots of {gpus} GPUs are more than the {len(gpu_names())} of this machine: "
            f"set executor.slots to {most}"
        )
    by_cores = max(1, len(available_cores()) // cpus)
    return slots or (by_cores if most is None else min(most, by_cores))


def _share_gpus(shares: Shares, slots: int, gpus: int) -> list[str]:
    """For every slot its GPUs, as CUDA_VISIBLE_DEVICES names them."""
    names = shares.take("gpu", gpu_names(), slots * gpus)
    return [",".join(names[i * gpus : (i + 1) * gpus]) for i in range(slots)]


def _share_cores(shares: Shares, slots: int, cpus: int) -> list[str]:
    """For every slot its cores as `0,1`; empty strings where there are not enough for all."""
    cores = [str(core) for core in available_cores()]
    if slots * cpus > len(cores):
        return [""] * slots
    cores = shares.take("core", cores, slots * cpus)
    return [",".join(cores[i * cpus : (i + 1) * cpus]) for i in range(slots)]
