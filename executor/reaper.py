"""Ends what a killed process leaves behind (Linux only).

    end_with_me()          # whatever is started from here on ends soon after a kill of this process
    ray.init()

Most of what Ray starts ends with its driver, but two agents of a killed driver's node stay for a
minute. A small process waits for the caller's end and then ends whoever has inherited its mark. A
caller that exits in an orderly way takes that process with it.
"""

from __future__ import annotations

import atexit
import os
import select
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

from executor import processes
from executor.workers.slot_process import sweep

# Inherited by all that the caller starts; boxes and slots do not get it, they end by themselves.
_VARIABLE = "IDEATOR_RL_DRIVER"
# What can end by itself does so meanwhile.
GRACE_S = 3.0


@cache
def end_with_me() -> None:
    """The second call in a process does nothing."""
    if not processes.LINUX:
        return
    mark = Path("/ideator-rl") / uuid.uuid4().hex
    reaper = subprocess.Popen(
        [sys.executable, "-P", "-m", "executor.reaper", str(os.getpid()), str(mark)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(reaper.kill)
    os.environ[_VARIABLE] = f"{mark}/"


def main() -> None:
    parent, mark = int(sys.argv[1]), Path(sys.argv[2])
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(parent)
        # A parent that had ended by then may have passed its number on.
        if os.getppid() == parent:
            select.select([descriptor], [], [])
    time.sleep(GRACE_S)
    processes.end_strays(mark)
    sweep()


if __name__ == "__main__":
    main()
