"""Trials on this machine: N slots, each a process with its own share of the cores."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from executor import processes
from executor.command import kept_environment
from executor.records import Job, Trial
from executor.sandbox import Lock
from executor.sandbox.cgroup import remove_stale
from executor.trial import TrialSpec

STOP_S = 1.0
TRIES = 3
_PREFIX = "ideator-rl-"
_LINE_LIMIT = 64 * 2**20


class LocalWorkers:
    """`slots` trials at a time, all behind `lock`. With enough cores every slot is pinned to cores
    of its own."""

    def __init__(self, slots: int, lock: Lock, cpus_per_slot: int = 1) -> None:
        self.slots, self.lock = slots, lock
        _remove_stale_folders()
        remove_stale()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        cores = _share_cores(slots, cpus_per_slot)
        self._slots = [_Slot(self._folder / f"slot-{i}", lock, cores[i]) for i in range(slots)]
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
                    return await slot.run(spec)
                except (EOFError, ConnectionError):
                    await slot.stop()
            detail = f"the worker died {TRIES} times during this trial"
            return Trial("crashed", "train", detail=detail)
        except asyncio.CancelledError:
            await slot.stop()
            raise
        finally:
            self._free.append(slot)

    async def close(self) -> None:
        """Ends every slot and whatever runs in it."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        shutil.rmtree(self._folder, ignore_errors=True)


class _Slot:
    """One slot process, started when needed."""

    def __init__(self, folder: Path, lock: Lock, cores: str) -> None:
        self._folder, self._lock, self._cores = folder, lock, cores
        self._process: asyncio.Task[asyncio.subprocess.Process] | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.subprocess.Process:
        await self._stopped()
        if self._process is None:
            self._process = asyncio.create_task(self._spawn())
        # Shielded: a half-started process could not be ended.
        return await asyncio.shield(self._process)

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "executor.workers.slot"),
            *(str(self._folder), self._lock.to_json(), *filter(None, [self._cores])),
            env=_slot_environment(self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )

    async def run(self, spec: TrialSpec) -> Trial:
        """Raises EOFError or ConnectionError when the process dies."""
        process = await self.start()
        assert process.stdin and process.stdout
        process.stdin.write(f"{spec.to_json()}\n".encode())
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise EOFError
        return Trial.from_json(line)

    async def stop(self) -> None:
        """Returns when the process and its trial are gone, whoever else is stopping it."""
        if self._process is not None:
            started, self._process = self._process, None
            self._stopping = asyncio.create_task(self._end(started))
        await self._stopped()

    async def _stopped(self) -> None:
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def _end(self, started: asyncio.Task[asyncio.subprocess.Process]) -> None:
        """Hangs up, which makes the slot end its trial and itself; kills it if it does not."""
        process = await started
        try:
            await asyncio.wait_for(process.communicate(b""), STOP_S)
        except TimeoutError:
            process.kill()
            await process.communicate()
        if process.returncode != 0:
            processes.end_strays(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)
            remove_stale()


def _slot_environment(folder: Path) -> dict[str, str]:
    """No key or token of the controller's: a slot has no use for them.

    `folder` tells what a killed slot leaves, see `processes.end_strays`.
    """
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ}
    return kept | kept_environment() | {processes.MARK: f"{folder}/"}


def available_cores() -> list[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _share_cores(slots: int, cpus: int) -> list[str]:
    """For every slot its cores as `0,1`; empty strings where there are not enough for all."""
    cores = available_cores()
    if slots * cpus > len(cores):
        return [""] * slots
    return [",".join(map(str, cores[i * cpus : (i + 1) * cpus])) for i in range(slots)]


def _remove_stale_folders() -> None:
    """Removes what killed runs of this user left in the temporary folder, processes included."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)) and path.stat().st_uid == os.getuid():
            processes.end_strays(path)
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
