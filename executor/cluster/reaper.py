"""Ends what a killed process leaves behind (Linux only).

    with end_with_me():    # processes started within end soon after this one is killed
        ray.init()

Most of what Ray starts ends with its driver, but two agents of a killed driver's node, and a worker
that is just starting, stay for a minute. A helper process waits for the caller's end
and kills them. The helper itself ends with the block.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from executor.processes import processes
from executor.workers.slot_process import sweep

# Inherited by all that the caller starts, but for slots and boxes, which end by themselves.
_VARIABLE = "IDEATOR_RL_DRIVER"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
# Leaves time for processes that end by themselves.
GRACE_S = 3.0


@contextmanager
def end_with_me() -> Iterator[None]:
    """Processes that are started within the block end soon after this one is killed."""
    if not processes.LINUX:
        yield
        return
    mark = Path("/ideator-rl") / uuid.uuid4().hex
    reaper = subprocess.Popen(
        [sys.executable, "-P", "-m", "executor.cluster.reaper", str(os.getpid()), str(mark)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ[_VARIABLE] = f"{mark}/"
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
        reaper.kill()
        reaper.wait()


def main() -> None:
    parent, mark = int(sys.argv[1]), Path(sys.argv[2])
    covered: Mapping[int, int] = {}
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(parent)
        pause = _FIRST_PAUSE_S
        # Once the parent has ended, its process id may be reused.
        while os.getppid() == parent and not select.select([watched], [], [], pause)[0]:
            covered = _look(parent, covered)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
    time.sleep(GRACE_S)
    processes.end_strays(mark)
    # A process that has given itself a title has written it over its environment.
    for descriptor in covered.values():
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    sweep()


def _look(parent: int, covered: Mapping[int, int]) -> dict[int, int]:
    """A descriptor for every process that the parent has by now."""
    found = {}
    for pid in {*processes.descendants(parent)} - {os.getpid()}:
        with suppress(ProcessLookupError):
            found[pid] = covered.get(pid) or os.pidfd_open(pid)
    for pid in covered.keys() - found.keys():
        os.close(covered[pid])
    return found


if __name__ == "__main__":
    main()
