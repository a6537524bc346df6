"""The tiny problem with a candidate that takes its time, and its processes by what they do."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from executor.processes.processes import descendants
from tests.executor.trials import warm_servers
from tests.tiny_problem import make_problem

SERVE = """
import sys, time
from pathlib import Path
import numpy as np
from exam_pipe import answer, questions
for question in questions():
    time.sleep(0.3)
    lines = Path("candidate/settings.py").read_text().splitlines()
    answer(np.array([float(line.split("=")[1]) for line in lines]))
"""
EVALUATE = """
import numpy as np

def examine(candidate, held_out):
    value = float(candidate.ask(np.zeros(1), shape=(2,), dtype="float64").sum())
    with open({examined!r}, "a") as file:
        file.write(f"{{value:g}}\\n")
    return {{"value": value}}
"""
KINDS = ("slot", "training", "candidate", "examiner", "lock", "server")


def make_served_problem(folder: Path) -> Path:
    """Training takes 0.3 s, the candidate as long; every answer is noted in `folder/examined`."""
    make_problem(folder)
    (folder / "codebase/serve.py").write_text(SERVE)
    (folder / "evaluate.py").write_text(EVALUATE.format(examined=str(folder / "examined")))
    run = folder / "codebase/run.sh"
    run.write_text(run.read_text().replace("sleep 0\n", "sleep 0\nsleep 0.3\n"))
    toml = folder / "problem.toml"
    toml.write_text(
        toml.read_text()
        .replace(
            'entry = ["sh", "run.sh"]',
            'entry = ["sh", "run.sh"]\ncandidate = ["python", "serve.py"]',
        )
        .replace("[budget]", 'frozen = ["serve.py"]\n[budget]')
    )
    return folder


def victims(controller: int, kind: str) -> list[int]:
    """The processes of a controller that are of a kind."""
    slots = [
        pid
        for pid in descendants(controller)
        if _parent(pid) == controller and _runs(pid, b"executor.workers.slot")
    ]
    if kind == "slot":
        return slots
    below = [pid for slot in slots for pid in descendants(slot)]
    locks = [pid for pid in below if _command(pid)[0].endswith(b"bwrap")]
    if kind == "lock":
        return locks
    servers = [server for slot in slots for server in warm_servers(slot)]
    if kind == "server":
        return servers
    below = [pid for pid in below if pid not in (*locks, *servers)]
    candidates = [pid for pid in below if _runs(pid, b"serve.py")]
    if kind == "candidate":
        return candidates
    if kind == "examiner":
        forks = [pid for pid in below if _parent(pid) in slots]
        return [pid for pid in forks if candidates and _runs(pid, b"executor.workers.slot")]
    return [pid for pid in below if _runs(pid, b"run.sh")]


def kill(pid: int) -> bool:
    """Whether the process was still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def _command(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [b""]


def _runs(pid: int, word: bytes) -> bool:
    """A fork of a server of warm starts has the server's command line, and a name of its own."""
    with suppress(OSError):
        return word in _command(pid) or word in Path(f"/proc/{pid}/comm").read_bytes()
    return False


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
