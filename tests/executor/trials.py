"""Single trials without an executor: a slot process, and orders for it written in a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import IO, Any

from executor.processes.processes import descendants
from executor.records import Trial
from executor.sandbox import Sandbox
from executor.trial.spec import TrialSpec

TRAIN = "import os; os.mkdir('candidate')\n"
EVALUATE = "def examine(candidate, held_out):\n    return {'value': 1.0}\n"


def make_spec(
    folder: Path,
    train: str = TRAIN,
    *,
    serve: str | None = None,
    evaluate: str = EVALUATE,
    files: dict[str, str] | None = None,
    **fields: Any,
) -> TrialSpec:
    """An order whose training, candidate and examination are these texts."""
    folder.mkdir(parents=True, exist_ok=True)
    # A file of its own: a slot reads each evaluate.py once.
    script = folder / f"evaluate-{len(list(folder.iterdir()))}.py"
    script.write_text(dedent(evaluate))
    files = {"train.py": dedent(train), **(files or {})}
    if serve is not None:
        files["serve.py"] = dedent(serve)
    defaults = {
        "frozen": {},
        "entry": ["python", "train.py"],
        "preload": [],
        "candidate": ["python", "serve.py"] if serve is not None else [],
        "candidate_preload": [],
        "evaluate": str(script),
        "train_data": None,
        "held_out": None,
        "budget_kind": "wall",
        "budget_seconds": 60.0,
        "wall_limit": 60.0,
        "startup_seconds": 60.0,
        "examine_seconds": 60.0,
        "candidate_seconds": 60.0,
        "seed": 0,
    }
    return TrialSpec(files=files, **{**defaults, **fields})


def read_trial(answers: IO[bytes]) -> Trial:
    """The next trial that a slot prints; before the first one it says that this has begun."""
    line = answers.readline()
    return Trial.from_json(answers.readline() if line == b"\n" else line)


class Slot:
    """A slot process; `run` gives it one order and waits for the trial."""

    def __init__(self, folder: Path, lock: Sandbox, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "executor.workers.slot", str(folder), lock.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )

    def send(self, spec: TrialSpec) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{spec.to_json()}\n".encode())
        self.process.stdin.flush()

    def run(self, spec: TrialSpec) -> Trial:
        assert self.process.stdout
        self.send(spec)
        trial = read_trial(self.process.stdout)
        assert left_by(self.process.pid) == [], "a trial leaves no process behind"
        return trial

    def close(self) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(10)


def warm_servers(slot: int) -> list[int]:
    """The servers of warm starts that a slot keeps; their forks have the same command line."""
    return servers(slot, b"warm_server.py")


def servers(slot: int, *scripts: bytes) -> list[int]:
    """The servers that a slot keeps, of all scripts or these."""
    scripts = scripts or (b"launcher.py", b"warm_server.py")
    children = Path(f"/proc/{slot}/task/{slot}/children").read_text().split()
    found = []
    for pid in children:
        with suppress(OSError):  # it may have ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if any(script in command for script in scripts):
                found.append(int(pid))
    return found


def left_by(slot: int) -> list[int]:
    """What works for a slot besides its servers."""
    return [pid for pid in descendants(slot) if pid not in servers(slot)]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(marker: str | Path) -> list[int]:
    """The living processes whose command line or environment names a folder."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if str(marker).encode() in text and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def all_gone(marker: str | Path, seconds: float = 2.0) -> bool:
    """Whether no such process is left within some seconds."""
    deadline = time.monotonic() + seconds
    while (left := marked(marker)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not left
