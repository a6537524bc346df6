"""A training run in a folder of its own, whose processes can be found and killed."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from executor.store.runs import RunFolder, Store
from ideator_rl.analysis.metrics_file import read_steps
from tests.ideator_rl.rl.conftest import start_training

TIMEOUT_S = 400


def start(place: Path, *overrides: str, **env: str) -> subprocess.Popen[str]:
    """Every process of the run has this folder in its environment or on its command line."""
    return start_training(place / "config_small.yaml", *overrides, TMPDIR=str(place), **env)


def wait_for(
    condition: Callable[[], object], seconds: float, run: subprocess.Popen[str] | None = None
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert run is None or run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes(place: Path, title: str = "") -> list[int]:
    """The run's processes, by what their command line begins with."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        mine = str(place).encode() in environment or str(place).encode() in command
        if folder.name.isdigit() and command and mine and command.decode().startswith(title):
            found.append(int(folder.name))
    return found


def last_step(place: Path) -> int:
    return max(read_steps(place / "store/runs/small/metrics.jsonl"), default=0)


def run_of(place: Path) -> RunFolder:
    return Store(place / "store").run("small")


def trials(place: Path) -> Counter[str]:
    """How often each codebase was run, by the run's own record."""
    run = run_of(place)
    keys = [event["key"] for event in run.events() if event["event"] == "trial"]
    return Counter(run.outcome(key).content_hash for key in keys if run.outcome(key))
