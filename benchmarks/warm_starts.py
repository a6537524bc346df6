"""What warm starts save: the same trials with bubblewrap, whose starts are cold, and as forks.

    python benchmarks/warm_starts.py [--env nanogpt-tiny] [--seeds 3] [--json]

Baselines of the problem, one trial at a time, cold and warm in turns. Reported for each, as
medians: wall time of a trial, of its start-up and of its examination, the share of the budget in it
(budget / wall time) and of the examination; whether both gave the same metrics; and trials a second
of scripts without work on all cores, with their ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from executor import Executor, Idea, Outcome, load_problem
from executor.sandbox import Sandbox, choose
from executor.workers.local import available_cores
from gym_envs import find_problem

JOBS = 300
STARTS = {"cold": "bubblewrap", "warm": "namespaces"}
FILES = {
    "problem.toml": """
name = "idle"
id = "Idle-v0"
title = "A Python script without work"
task = "Do nothing."
[run]
entry = ["python", "train.py"]
preload = ["numpy"]
candidate = ["python", "serve.py"]
candidate_preload = ["numpy"]
[files]
editable = ["train.py"]
[budget]
kind = "wall"
seconds = 30
[reward]
metric = "score"
""",
    "codebase/train.py": "import os\n\nos.mkdir('candidate')\nNUMBER = 0\n",
    "codebase/serve.py": (
        "import numpy as np\n\nfrom exam_pipe import answer, questions\n\n"
        "for question in questions():\n    answer(np.ones(()))\n"
    ),
    "evaluate.py": """
import numpy as np

def examine(candidate, held_out):
    return {"score": float(candidate.ask(np.zeros(()), shape=(), dtype="float64"))}
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--env", default="nanogpt-tiny")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    locks = {start: choose("strict", (name,)) for start, name in STARTS.items()}
    figures: dict[str, object] = {"cores": len(available_cores()), "load_before": load}
    outcomes = baselines(args.env, args.seeds, locks)
    budget = find_problem(args.env).file.budget.seconds
    for start, found in outcomes.items():
        figures[start] = medians(found, budget)
    pairs = zip(*outcomes.values(), strict=True)
    figures["same metrics"] = [cold.metrics == warm.metrics for cold, warm in pairs]
    rates = {start: trials_a_second(lock) for start, lock in locks.items()}
    figures["trials/s without work"] = rates
    figures["ratio"] = rates["warm"] / rates["cold"]
    for key, value in figures.items():
        print(f"{key:22} {value}")
    if args.json:
        print(json.dumps(figures))


def baselines(env: str, seeds: int, locks: dict[str, Sandbox]) -> dict[str, list[Outcome]]:
    """The baseline's outcomes by start; one more seed comes first, which fills caches."""
    outcomes: dict[str, list[Outcome]] = {start: [] for start in locks}
    with tempfile.TemporaryDirectory(prefix="warm-") as name:
        executors = {
            start: Executor(find_problem(env), store=f"{name}/{start}", slots=1, sandbox=lock)
            for start, lock in locks.items()
        }
        for seed in range(seeds + 1):
            for start, executor in executors.items():
                outcome = executor.submit_baseline(seed).result()
                assert outcome.completed, outcome.detail
                outcomes[start] += [outcome] if seed else []
        for executor in executors.values():
            executor.close()
    return outcomes


def medians(outcomes: list[Outcome], budget: float) -> dict[str, float]:
    found = {
        "trial_s": [o.duration_s for o in outcomes],
        "startup_s": [o.startup_s for o in outcomes],
        "exam_s": [o.examine_s for o in outcomes],
        "budget_share": [budget / o.duration_s for o in outcomes],
        "exam_share": [o.examine_s / o.duration_s for o in outcomes],
        "cpu_s": [o.cpu_s for o in outcomes],
    }
    return {key: round(statistics.median(values), 3) for key, values in found.items()}


def trials_a_second(lock: Sandbox) -> float:
    with tempfile.TemporaryDirectory(prefix="warm-rate-") as name:
        for path, text in FILES.items():
            Path(name, "idle", path).parent.mkdir(parents=True, exist_ok=True)
            Path(name, "idle", path).write_text(text)
        ideas = [Idea(f"{n:04}", idea_text(n)) for n in range(JOBS)]
        with Executor(
            load_problem(Path(name, "idle")),
            store=f"{name}/store",
            slots=len(available_cores()),
            sandbox=lock,
        ) as executor:
            executor.execute(ideas[:8])
            begun = time.perf_counter()
            outcomes = executor.execute(ideas[8:])
            seconds = time.perf_counter() - begun
    assert all(outcome.completed for outcome in outcomes), outcomes[0]
    return round(len(outcomes) / seconds, 1)


def idea_text(number: int) -> str:
    change = f"<<<<<<< SEARCH\nNUMBER = 0\n=======\nNUMBER = {number + 1}\n>>>>>>> REPLACE\n"
    return f"[Experiment] {number}\n[Code Changes]\ntrain.py\n{change}"


if __name__ == "__main__":
    main()
