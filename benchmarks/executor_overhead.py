"""What the executor costs on top of the jobs it runs.

    python benchmarks/executor_overhead.py [--json]

Jobs are real trials (own process, examination, everything kept in the store) of a shell script that
sleeps. Three measurements, each in a fresh controller process:

- 80 jobs of U(0.2, 1.0) s behind an idea source of 0.2 s latency, on 4 slots: efficiency
  (Σ job time / slots / wall), busy slots in steady state, seconds from the start of the command to
  the first job, peak memory of the controller;
- 200 and 2,000 jobs without work: trials a second;
- the named baseline: the same 80 sleeps and 200 empty scripts on a standard-library thread pool
  that starts the script, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SLOTS = 4
LATENCY_S = 0.2
PROPOSERS = 4
FILES = {
    "problem.toml": """
name = "sleeper"
id = "Sleeper-v0"
title = "A job that sleeps"
task = "Sleep."
[run]
entry = ["sh", "job.sh"]
[files]
editable = ["job.sh"]
[budget]
kind = "wall"
seconds = 30
[reward]
metric = "score"
""",
    "codebase/job.sh": "mkdir candidate\nsleep 0\n",
    "evaluate.py": "def examine(candidate, held_out):\n    return {'score': 1.0}\n",
}


def job_seconds(jobs: int, work: bool) -> list[float]:
    rng = random.Random(0)
    return [rng.uniform(0.2, 1.0) if work else 0.0 for _ in range(jobs)]


def controller(folder: Path, jobs: int, work: bool) -> None:
    """The process that is measured: imports, ideas, execution."""
    from executor import Executor, Idea, load_problem

    def idea(index: int, seconds: float) -> Idea:
        if work:
            time.sleep(LATENCY_S)
        change = f"sleep {seconds:.4f}  # {index}" if work else f": # {index}"
        edit = f"job.sh\n<<<<<<< SEARCH\nsleep 0\n=======\n{change}\n>>>>>>> REPLACE"
        return Idea(f"{index:05d}", f"[Experiment] Job {index}.\n[Code Changes]\n{edit}")

    seconds = job_seconds(jobs, work)
    with (
        Executor(load_problem(folder), store=folder / "store", slots=SLOTS) as executor,
        ThreadPoolExecutor(PROPOSERS) as source,
    ):
        begun = time.monotonic()
        ideas = source.map(idea, range(jobs), seconds)
        outcomes = [future.result() for future in [executor.submit(idea) for idea in ideas]]
        wall = time.monotonic() - begun
        trials = [event for event in executor.run.events() if event["event"] == "trial"]
    assert all(outcome.completed for outcome in outcomes), outcomes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    starts = sorted(trial["started"] for trial in trials)
    full, drained = starts[SLOTS - 1], starts[-1]
    busy = sum(
        min(t["ended"], drained) - max(t["started"], full) for t in trials if t["ended"] > full
    )
    print(
        json.dumps(
            {
                "wall_s": wall,
                "efficiency": sum(seconds) / SLOTS / wall,
                "busy": busy / SLOTS / (drained - full),
                "first_job_at": starts[0],
                "mib": peak / (1024 if sys.platform == "linux" else 2**20),
            }
        )
    )


def measure(jobs: int, work: bool) -> dict[str, float]:
    """Runs a controller in a process of its own; `first_job_s` counts from its very start."""
    with tempfile.TemporaryDirectory(prefix="executor-overhead-") as folder:
        for name, text in FILES.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        command = [sys.executable, __file__, "--controller", folder, str(jobs), str(int(work))]
        begun = time.monotonic()
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures = json.loads(output.splitlines()[-1])
    return figures | {"first_job_s": figures["first_job_at"] - begun}


def plain_pool(jobs: int, work: bool) -> float:
    """The baseline: wall seconds of a thread pool that runs the scripts and keeps nothing."""

    def job(seconds: float) -> None:
        subprocess.run(["sh", "-c", f"sleep {seconds:.4f}" if work else ":"], check=True)

    def ask(seconds: float) -> float:
        time.sleep(LATENCY_S if work else 0)
        return seconds

    begun = time.monotonic()
    with ThreadPoolExecutor(SLOTS) as pool, ThreadPoolExecutor(PROPOSERS) as source:
        list(pool.map(job, source.map(ask, job_seconds(jobs, work))))
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--controller", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.controller:
        folder, jobs, work = args.controller
        return controller(Path(folder), int(jobs), bool(int(work)))

    load = os.getloadavg()[0]
    busy = measure(80, work=True)
    few, many = measure(200, work=False), measure(2000, work=False)
    ideal = sum(job_seconds(80, True)) / SLOTS
    figures = {
        "efficiency": round(busy["efficiency"], 3),
        "busy": round(busy["busy"], 3),
        "first_job_s": round(busy["first_job_s"], 3),
        "controller_mib": round(max(run["mib"] for run in (busy, few, many)), 1),
        "trials_per_s": round(200 / few["wall_s"], 1),
        "trials_per_s_at_2000": round(2000 / many["wall_s"], 1),
        "pool_efficiency": round(ideal / plain_pool(80, True), 3),
        "pool_scripts_per_s": round(200 / plain_pool(200, False), 1),
        "load_before": round(load, 2),
    }
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
