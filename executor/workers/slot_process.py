"""The owner's side of a slot: starts its process when needed, sends trials, stops it.

    slot = SlotProcess(new_folder() / "slot-0", sandbox)
    trial = await slot.run(spec)         # EOFError or ConnectionError when the process dies
    await slot.stop()                    # it and its trial are gone

Every kind of worker owns its slots through this class. The owner calls `sweep()` first, which
removes what killed owners left on this machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from executor.processes import processes
from executor.processes.owned_names import PREFIX, has_no_owner, owned_name
from executor.records import Trial
from executor.sandbox import Sandbox
from executor.sandbox.cgroup import remove_stale
from executor.trial.command import GPU_ORDER, kept_environment
from executor.trial.spec import TrialSpec

STOP_S = 1.0
# How often a trial is started at most, if its worker dies.
TRIES = 3
LOST = Trial("crashed", "train", detail=f"the worker died {TRIES} times during this trial")
_LINE_LIMIT = 64 * 2**20


class SlotProcess:
    """`folder` need not exist; `cores` and `gpus` are lists like `0,1`, or empty for all."""

    def __init__(self, folder: Path, sandbox: Sandbox, cores: str = "", gpus: str = "") -> None:
        self._folder, self._sandbox, self._cores, self._gpus = folder, sandbox, cores, gpus
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
            *(str(self._folder), self._sandbox.to_json(), *filter(None, [self._cores])),
            env=_environment(self._folder, self._gpus),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            start_new_session=True,
        )

    async def run(self, spec: TrialSpec, begun: Callable[[], None] = lambda: None) -> Trial:
        """Calls `begun` when the first trial of the process begins. Raises EOFError or
        ConnectionError when the process dies."""
        process = await self.start()
        assert process.stdin and process.stdout
        process.stdin.write(f"{spec.to_json()}\n".encode())
        await process.stdin.drain()
        if (line := await process.stdout.readline()) == b"\n":
            begun()
            line = await process.stdout.readline()
        if not line:
            raise EOFError
        return Trial.from_json(line)

    async def stop(self) -> None:
        """Returns when the process and its trial are gone; may be called concurrently."""
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
            with suppress(ProcessLookupError):  # it may have ended just now
                process.kill()
            await process.communicate()
        if process.returncode != 0:
            processes.end_strays(self._folder)
            shutil.rmtree(self._folder, ignore_errors=True)
            remove_stale()


def _environment(folder: Path, gpus: str) -> dict[str, str]:
    """The environment of a slot, without the keys and tokens of the owner.

    `folder` tells what a killed slot leaves, see `processes.end_strays`.
    """
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "TMPDIR") if name in os.environ}
    if gpus:
        kept["CUDA_VISIBLE_DEVICES"] = gpus
    return kept_environment() | GPU_ORDER | kept | {processes.MARK: f"{folder}/"}


def new_folder() -> Path:
    """Makes a folder for the slots of this process; `sweep` sees by its name whose it is."""
    return Path(tempfile.mkdtemp(prefix=owned_name()))


def sweep() -> None:
    """Removes what killed owners of this user left here: folders, processes, control groups."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if has_no_owner(path.name) and path.stat().st_uid == os.getuid():
            processes.end_strays(path)
            shutil.rmtree(path, ignore_errors=True)
    remove_stale()
