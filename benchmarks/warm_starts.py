"""Where a trial's time goes, with starts that are cold (bubblewrap) and warm (forks of a server).

    python benchmarks/warm_starts.py [--env nanogpt-tiny] [--budget 20] [--seeds 3] [--json]
        [--trials 300] [--picture docs/performance.svg]

Baselines of the problem, one trial at a time, cold and warm in turns. Reported for each, as
medians: wall time of a trial, of its start-up, of its training and of its examination, the share of
the budget in it (budget / wall time) and of the examination; whether both gave the same metrics.
Then trials a second on all cores, cold and warm, with their ratio: the ideas of the problem's
library, where a trial takes seconds at most, and `--trials` Python scripts without work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from executor import Executor, Idea, Outcome, Problem, load_problem
from executor.sandbox import Sandbox, choose
from executor.workers.local import available_cores
from gym_envs import find_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library

# Ideas of a library are executed where a trial does not take longer.
QUICK_S = 3.0
STARTS = {"cold": "bubblewrap", "warm": "namespaces"}
PARTS = {
    "startup_s": ("start-up", "#c8500a"),
    "train_s": ("training", "#1c7c3c"),
    "exam_s": ("examination", "#0a5aa5"),
    "rest_s": ("all else", "#b9bcc2"),
}
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
    parser.add_argument("--budget", type=float, help="seconds; by default the problem's own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=300, help="without work")
    parser.add_argument("--picture", type=Path, help="an SVG file of where the time goes")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    problem = find_problem(args.env, {"budget.seconds": args.budget} if args.budget else None)
    locks = {start: choose("strict", (name,)) for start, name in STARTS.items()}
    figures: dict[str, object] = {"cores": len(available_cores()), "load_before": load}
    outcomes = baselines(problem, args.seeds, locks)
    times = {start: medians(found, problem) for start, found in outcomes.items()}
    pairs = zip(*outcomes.values(), strict=True)
    figures |= times | {"same metrics": [cold.metrics == warm.metrics for cold, warm in pairs]}
    if times["cold"]["trial_s"] < QUICK_S:
        figures |= rates(f"ideas/s of {args.env}", problem, locks, library_ideas(problem))
    with tempfile.TemporaryDirectory(prefix="warm-idle-") as name:
        for path, text in FILES.items():
            Path(name, path).parent.mkdir(parents=True, exist_ok=True)
            Path(name, path).write_text(text)
        idle = [Idea(f"{n:05}", idle_text(n)) for n in range(args.trials)]
        figures |= rates("trials/s without work", load_problem(name), locks, idle)
    for key, value in figures.items():
        print(f"{key:28} {value}")
    if args.picture:
        draw(args.env, times, args.picture)
    if args.json:
        print(json.dumps(figures))


def baselines(problem: Problem, seeds: int, locks: dict[str, Sandbox]) -> dict[str, list[Outcome]]:
    """The baseline's outcomes by start; one more seed comes first, which fills caches."""
    outcomes: dict[str, list[Outcome]] = {start: [] for start in locks}
    with tempfile.TemporaryDirectory(prefix="warm-") as name:
        executors = {
            start: Executor(problem, store=f"{name}/{start}", slots=1, sandbox=lock)
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


def medians(outcomes: list[Outcome], problem: Problem) -> dict[str, float]:
    budget = problem.file.budget.seconds
    found = {
        "trial_s": [o.duration_s for o in outcomes],
        "startup_s": [o.startup_s for o in outcomes],
        # As it is measured, a training's time holds its start-up.
        "train_s": [o.train_s - o.startup_s for o in outcomes],
        "exam_s": [o.examine_s for o in outcomes],
        "rest_s": [o.duration_s - o.train_s - o.examine_s for o in outcomes],
        "budget_share": [budget / o.duration_s for o in outcomes],
        "exam_share": [o.examine_s / o.duration_s for o in outcomes],
        "cpu_s": [o.cpu_s for o in outcomes],
    }
    return {key: round(statistics.median(values), 3) for key, values in found.items()}


def rates(
    name: str, problem: Problem, locks: dict[str, Sandbox], ideas: Sequence[Idea]
) -> dict[str, object]:
    found = {start: trials_a_second(problem, lock, ideas) for start, lock in locks.items()}
    return {name: found, f"{name}, ratio": round(found["warm"] / found["cold"], 2)}


def trials_a_second(problem: Problem, lock: Sandbox, ideas: Sequence[Idea]) -> float:
    """The first of the ideas come before, since they fill caches."""
    slots = len(available_cores())
    first = min(4 * slots, len(ideas) // 2)
    with (
        tempfile.TemporaryDirectory(prefix="warm-rate-") as name,
        Executor(problem, store=f"{name}/store", slots=slots, sandbox=lock) as executor,
    ):
        executor.execute(ideas[:first])
        begun = time.perf_counter()
        outcomes = executor.execute(ideas[first:])
        seconds = time.perf_counter() - begun
    lost = [o for o in outcomes if o.status == "cancelled"]
    assert not lost, lost[0]
    return round(len(outcomes) / seconds, 1)


def library_ideas(problem: Problem) -> list[Idea]:
    """Each with its first values, in an order that is the same each time."""
    atoms = load_library(problem.library)
    return [
        Idea(atom.id, idea_text([(atom, default_values(atom))]))
        for atom in atoms
        if atom.expect == "completed"
    ]


def idle_text(number: int) -> str:
    change = f"<<<<<<< SEARCH\nNUMBER = 0\n=======\nNUMBER = {number + 1}\n>>>>>>> REPLACE\n"
    return f"[Experiment] {number}\n[Code Changes]\ntrain.py\n{change}"


def draw(env: str, times: dict[str, dict[str, float]], path: Path) -> None:
    """A bar for each kind of start, in seconds of a trial."""
    style = {"svg.fonttype": "none", "svg.hashsalt": "warm starts", "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(8, 1.9), layout="constrained")
        axes = figure.add_subplot()
        left = [0.0] * len(times)
        for key, (label, colour) in PARTS.items():
            widths = [found[key] for found in times.values()]
            axes.barh(list(times), widths, left=left, color=colour, label=label, height=0.55)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel(f"wall seconds of a trial of {env}, medians")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, ncols=len(PARTS), loc="lower right", bbox_to_anchor=(1, 1))
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
