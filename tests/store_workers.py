"""`ideator-rl worker` as a process of its own, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.executor.runs import wait_until
from tests.ideator_rl.command_line import command

AHEAD = """
import sys, time
right, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: right() + ahead
from ideator_rl.cli import main
main()
"""


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def ran(self) -> list[str]:
        """The ideas whose trials it has ended, in order of time."""
        return [line.split()[0] for line in self.said.splitlines() if " seed " in line]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it as Slurm does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def worker(
    store: str | Path,
    env: str | Path,
    *more: str,
    name: str = "w",
    logs: Path | None = None,
    clock_s: float = 0,
) -> Iterator[Worker]:
    """A worker of two slots that looks for work; it is gone with the block. What it says is in
    `logs`, by default in the problem's folder. Its clock is `clock_s` ahead of ours."""
    log = (logs or Path(env)) / f"{name}.log"
    words = ("worker", "--store", str(store), "--env", str(env), "--slots", "2", *more)
    line = command(words) if not clock_s else [sys.executable, "-c", AHEAD, str(clock_s), *words]
    with log.open("wb") as file:
        process = subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT, env={**os.environ})
    started = Worker(process, log)
    try:
        wait_until(lambda: "looking for trials" in started.said or process.poll() is not None, 60)
        yield started
    finally:
        if process.poll() is None:
            started.stop()
