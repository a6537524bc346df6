"""A slot: a small process that runs one trial after the other and outlives none of them.

    python -m executor.workers.slot FOLDER [CORE,…]

One line a trial comes in, `NAME SPEC`, and one goes out: the trial as JSON. NAME is a new folder in
FOLDER, which the owner removes afterwards: that can take longer than a short trial. The slot ends,
and ends everything it started and removes FOLDER, when its standard input closes, that is when the
process that owns it closes, crashes or is killed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from pathlib import Path

from executor import processes
from executor.trial import TrialSpec, run_trial


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in sys.argv[2].split(",")})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Our own environment must not leak into a forked examiner's libraries either.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    processes.adopt_orphans()
    # The trials have a descriptor of their own: an evaluate.py that prints disturbs nobody.
    answers = os.dup(1)
    os.dup2(2, 1)
    while line := _read_line():
        name, _, spec = line.decode().partition(" ")
        try:
            trial = run_trial(TrialSpec.from_json(spec), folder / name, stopped=_stdin_moved)
        except processes.Interrupted:
            break
        _write(answers, trial.to_json().encode() + b"\n")
    processes.end_tree()
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
    """True when the owner hung up: it never sends a spec before it has the last trial."""
    return bool(select.select([0], [], [], 0)[0])


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
