"""What locking in costs: a start, a trial, and the examination of the real problems.

    python benchmarks/sandbox.py [--json] [--quick]

- start: median wall time of `true`, bare and in each lock, one after the other in turns;
- cost: median wall time of a trial without work, training and candidate both locked in, minus the
  same trial's under `none`; the two take turns on one worker, so that drift hits both;
- trials a second: 200 trials without work, each with two sandboxes, on all cores;
- examination: wall time, and its share of the trial, of the baselines of digits and nanogpt-tiny
  (not with --quick: they train for real).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from executor import Executor, Idea, load_problem
from executor.errors import UserError
from executor.outcomes import trial_spec
from executor.records import Trial
from executor.sandbox import Box, Sandbox, choose, start
from executor.workers.local import available_cores
from gym_envs import find_problem

STARTS, TRIALS, JOBS, SEEDS = 100, 60, 200, 3
SANDBOXES = ("bubblewrap", "namespaces")
FILES = {
    "problem.toml": """
name = "idle"
id = "Idle-v0"
title = "A trial without work"
task = "Do nothing."
[run]
entry = ["bash", "train.sh"]
candidate = ["bash", "serve.sh"]
[files]
editable = ["train.sh"]
[budget]
kind = "wall"
seconds = 30
[reward]
metric = "score"
""",
    "codebase/train.sh": "mkdir candidate\n: idle\n",
    # The protocol by hand: ready, a question of 14 bytes, the number 1 as a frame.
    "codebase/serve.sh": (
        "printf XAM1 >&$EXAM_ANSWERS\nhead -c 14 > /dev/null\n"
        r"printf 'XAM1\002\000\001\000\000\000\000\000\000\000' >&$EXAM_ANSWERS" + "\n"
    ),
    "evaluate.py": """
import numpy as np

def examine(candidate, held_out):
    return {"score": float(candidate.ask(np.zeros((), np.int64), shape=(), dtype="int64"))}
""",
}


class Slot:
    """One worker process that answers trials, as the executor's own are."""

    def __init__(self, folder: Path, lock: Sandbox) -> None:
        command = [sys.executable, "-P", "-m", "executor.workers.slot"]
        self._process = subprocess.Popen(
            [*command, str(folder), lock.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def milliseconds(self, spec: str) -> float:
        assert self._process.stdin and self._process.stdout
        begun = time.perf_counter()
        self._process.stdin.write(spec.encode() + b"\n")
        self._process.stdin.flush()
        if (line := self._process.stdout.readline()) == b"\n":  # the first trial begins
            line = self._process.stdout.readline()
        trial = Trial.from_json(line)
        assert trial.status == "completed", trial
        return 1000 * (time.perf_counter() - begun)

    def close(self) -> None:
        self._process.communicate(b"")


def locks() -> dict[str, Sandbox]:
    """The strict locks of this machine, by name."""
    found = {}
    for name in SANDBOXES:
        try:
            found[name] = choose("strict", (name,))
        except UserError as error:
            print(error, file=sys.stderr)
    return found


def start_milliseconds(found: dict[str, Sandbox]) -> dict[str, float]:
    """Median wall time of `true`, by lock; `bare` without one."""
    times: dict[str, list[float]] = {name: [] for name in ("bare", *found)}
    with tempfile.TemporaryDirectory(prefix="sandbox-start-") as name:
        box = Box(work=Path(name) / "work", scratch=Path(name) / "scratch")
        for path in (box.work, box.scratch / "tmp", box.scratch / "shm"):
            path.mkdir(parents=True)
        for _ in range(STARTS):
            for lock_name, measured in times.items():
                lock = found.get(lock_name, Sandbox("process", "none"))
                begun = time.perf_counter()
                assert start(lock, box, ["true"], env=dict(os.environ), output=2).wait() == 0
                measured.append(1000 * (time.perf_counter() - begun))
    return {name: statistics.median(measured) for name, measured in times.items()}


def idle_problem(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    return folder


def trial_milliseconds(found: dict[str, Sandbox]) -> dict[str, float]:
    """Median wall time of a trial without work, by lock; `none` without one."""
    every = {"none": Sandbox("process", "none"), **found}
    with tempfile.TemporaryDirectory(prefix="sandbox-trial-") as name:
        problem = load_problem(idle_problem(Path(name) / "idle"))
        spec = trial_spec(problem, problem.data(), problem.codebase, 0).to_json()
        slots = {key: Slot(Path(name) / key, lock) for key, lock in every.items()}
        times: dict[str, list[float]] = {key: [] for key in slots}
        for round_ in range(TRIALS + 3):
            for key, slot in slots.items():
                measured = slot.milliseconds(spec)
                if round_ >= 3:
                    times[key].append(measured)
        for slot in slots.values():
            slot.close()
    return {key: statistics.median(measured) for key, measured in times.items()}


def trials_a_second(lock: Sandbox) -> float:
    with tempfile.TemporaryDirectory(prefix="sandbox-rate-") as name:
        problem = load_problem(idle_problem(Path(name) / "idle"))
        change = "train.sh\n<<<<<<< SEARCH\n: idle\n=======\n: idle {0}\n>>>>>>> REPLACE\n"
        ideas = [
            Idea(f"{i:04}", f"[Experiment] {i}\n[Code Changes]\n{change.format(i)}")
            for i in range(JOBS)
        ]
        with Executor(
            problem, store=Path(name) / "store", slots=len(available_cores()), sandbox=lock
        ) as executor:
            executor.execute(ideas[:4])
            begun = time.perf_counter()
            outcomes = executor.execute(ideas[4:])
            seconds = time.perf_counter() - begun
    assert all(outcome.completed for outcome in outcomes), outcomes[0]
    return len(outcomes) / seconds


def examination(env: str, lock: Sandbox) -> dict[str, float]:
    """Medians over the baseline's seeds, one trial at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-exam-") as name,
        Executor(find_problem(env), store=name, slots=1, sandbox=lock) as executor,
    ):
        outcomes = [executor.submit_baseline(seed).result() for seed in range(SEEDS)]
    assert all(outcome.completed for outcome in outcomes), outcomes
    return {
        "exam_s": statistics.median(o.examine_s for o in outcomes),
        "trial_s": statistics.median(o.duration_s for o in outcomes),
        "share": statistics.median(o.examine_s / o.duration_s for o in outcomes),
        "memory_mib": max(o.memory_mib for o in outcomes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--quick", action="store_true", help="leave the real problems out")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    found = locks()
    starts, trials = start_milliseconds(found), trial_milliseconds(found)
    best = choose("strict")
    figures: dict[str, object] = {
        "lock": str(best),
        "cores": len(available_cores()),
        "load_before": load,
        "start_ms": starts,
        "trial_ms": trials,
        "cost_ms": {name: trials[name] - trials["none"] for name in found},
        "trials_per_s": {name: trials_a_second(lock) for name, lock in found.items()},
    }
    if not args.quick:
        figures["exam"] = {env: examination(env, best) for env in ("digits", "nanogpt-tiny")}
    for key, value in figures.items():
        print(f"{key:14} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
