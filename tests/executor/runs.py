"""Runs of the tiny problem: ideas in one line, and what the events say about them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from executor import Idea, Problem, load_problem
from executor.store.runs import RunFolder
from tests.tiny_problem import make_problem


def tiny(folder: Path) -> Problem:
    """The tiny problem; every examination adds its codebase's value to `folder/examined`."""
    evaluate = make_problem(folder) / "evaluate.py"
    note = f"""
_value = examine

def examine(candidate, held_out):
    metrics = _value(candidate, held_out)
    with open({str(folder / "examined")!r}, "a") as file:
        file.write(f"{{metrics['value']:g}}\\n")
    return metrics
"""
    evaluate.write_text(evaluate.read_text() + note)
    return load_problem(folder)


def examined(problem: Problem) -> list[int]:
    """The values that were examined, in order of time."""
    path = problem.folder / "examined"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def idea(name: str, value: int | None = None, sleep: float = 0, shell: str = "") -> Idea:
    """An idea that names another value, sleeps while it trains, or runs a line of shell."""
    changes = [f"value: 10 -> {value}"] if value is not None else []
    if line := shell or (f"sleep {sleep}" if sleep else ""):
        changes += ["run.sh", "<<<<<<< SEARCH", "sleep 0", "=======", line, ">>>>>>> REPLACE"]
    text = "\n".join(["[Experiment] A test.", "[Code Changes]", *changes])
    return Idea(name, text)


def trials(run: RunFolder) -> list[dict]:
    """The trials that have run, by their start."""
    events = [event for event in run.events() if event["event"] == "trial"]
    return sorted(events, key=lambda event: event["started"])


def most_at_once(events: list[dict]) -> int:
    """How many trials overlapped at most."""
    steps = [(event["ended"], -1) for event in events]
    steps += [(event["started"], 1) for event in events]
    running = [0]
    for _, step in sorted(steps):
        running.append(running[-1] + step)
    return max(running)


def wait_until(true: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def outcome_files(store: Path) -> dict[str, bytes]:
    """Every outcome.json below a store, by its trial's name."""
    paths = store.glob("runs/*/ideas/*/outcome.json")
    return {path.parent.name: path.read_bytes() for path in paths}


def statuses(store: Path) -> dict[str, str]:
    return {name: json.loads(text)["status"] for name, text in outcome_files(store).items()}


def patched_files(problem: Problem, value: int) -> Mapping[str, str]:
    return {**problem.codebase, "settings.py": f"value = {value}\nbonus = 0\n"}
