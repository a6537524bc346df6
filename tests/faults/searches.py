"""A search of the tiny problem in a process of its own, on whatever store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from executor import Store
from executor.records import Outcome
from executor.trial_keys import counts
from tests.ideator_rl.command_line import make_workplace

IDEAS = 12
ROOT = Path(__file__).parents[2]
# The command itself, less patient with stores; the faulty one is known to it.
COMMAND = """
import sys
import tests.faults.faulty_filesystem
from executor.store import bucket
bucket.ATTEMPT_S, bucket.PATIENCE_S, bucket.OPEN_PATIENCE_S = 3.0, float(sys.argv[1]), 3.0
from ideator_rl.cli import main
main(sys.argv[2:])
"""


def make_slow_workplace(folder: Path, seconds: float = 0.2) -> Path:
    """The tiny problem with trials of some length, and a recipe that executes 12 ideas."""
    make_workplace(folder)
    run = folder / "tiny/codebase/run.sh"
    run.write_text(run.read_text().replace("sleep 0\n", f"sleep 0\nsleep {seconds}\n"))
    (folder / "tmp").mkdir()
    return folder


def start(
    workplace: Path, store: str, *words: str, patience: float = 1.5, **env: str
) -> subprocess.Popen[str]:
    search = ["search", "--config", "config.yaml", "--store", store, "--json", *words]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(patience), *search],
        cwd=workplace,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(workplace / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcomes(store: str) -> dict[str, Outcome]:
    """What the search has finished, by trial."""
    run = Store(store).run("first")
    found = {key: run.outcome(key) for key in run.trials()}
    return {key: outcome for key, outcome in found.items() if outcome is not None}


def check_complete(process: subprocess.Popen[str], store: str, kept: dict[str, Outcome]) -> None:
    """The search ends as if nothing had ever happened, and what was kept is as it was."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    result: dict[str, Any] = json.loads(out)
    assert result["executed"] == IDEAS
    now = outcomes(store)
    assert {key: now[key] for key in kept} == kept
    ideas = {key: outcome for key, outcome in now.items() if counts(key)}
    assert len(ideas) == IDEAS
    # Every end is the idea's own, or a kill's.
    for outcome in ideas.values():
        own = {
            "completed": "",
            "crashed": "training ended with exit code 3",
            "not_implemented": "no such line",
        }
        assert own[outcome.status] in outcome.detail or was_killed(outcome), outcome


def was_killed(outcome: Outcome) -> bool:
    """Whether a trial says that somebody ended its training, its candidate or its examiner."""
    return any(words in outcome.detail for words in ("SIGKILL", "the candidate ended without"))
