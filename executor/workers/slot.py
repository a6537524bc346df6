"""A slot: a small process that runs one trial after the other and outlives none of them.

    python -m executor.workers.slot FOLDER SANDBOX [CORE,…]

SANDBOX is the JSON of how trials are locked in. One line a trial comes in, its spec, and one goes
out: the trial as JSON. An empty line tells before that the first trial has begun. Trials lie below
FOLDER, in a mount namespace of the slot's own where the sandbox has one. The slot ends, and ends
everything it started and removes FOLDER, when its standard input closes, that is when the process
that owns it closes, crashes or is killed.
"""

from __future__ import annotations

import itertools
import os
import select
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

from executor.processes import processes
from executor.sandbox import Sandbox, cgroup
from executor.sandbox.gpu_driver import make_device_nodes
from executor.sandbox.servers import ServerDied, launcher, stop_servers
from executor.sandbox.watch import Interrupted
from executor.sandbox.workspace import enter_private_mounts
from executor.trial.spec import TrialSpec
from executor.trial.trial import run_trial


def main() -> None:
    folder, sandbox = Path(sys.argv[1]), Sandbox.from_json(sys.argv[2])
    if len(sys.argv) > 3 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in sys.argv[3].split(",")})
    # An ordinary user's own namespace knows no setuid program.
    make_device_nodes()
    if sandbox.mounted:
        enter_private_mounts()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Our own environment must not leak into a forked examiner's libraries either.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    processes.adopt_orphans()
    if sandbox.isolates:
        # Ahead of the first trial, which would wait for it.
        launcher()
    # Results have a descriptor of their own, so that prints of an evaluate.py do no harm.
    answers = os.dup(1)
    os.dup2(2, 1)
    for number in itertools.count():
        if not (line := _read_line()):
            break
        spec = TrialSpec.from_json(line)
        try:
            trial = run_trial(
                spec,
                folder / f"trial-{number}",
                sandbox,
                stopped=_stdin_moved,
                begun=partial(_write, answers, b"" if number else b"\n"),
            )
        except (Interrupted, ServerDied):
            # Without an answer the owner starts another slot and the trial anew, unless it is gone.
            break
        _write(answers, trial.to_json().encode() + b"\n")
    stop_servers()
    processes.end_tree()
    cgroup.remove_own()
    shutil.rmtree(folder, ignore_errors=True)


def _read_line() -> bytes:
    """The next spec, unbuffered so that select() sees all there is; empty at the end."""
    chunks = []
    while True:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            return b""
        chunks.append(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(chunks)


def _stdin_moved() -> bool:
    """True when the owner closed the pipe: it never sends a spec before it has the last trial."""
    return bool(select.select([0], [], [], 0)[0])


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
