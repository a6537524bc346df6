"""How long the trainer waits for trials that take long, with and without steps that overlap.

    python benchmarks/grpo_staleness.py [--json] [--steps 6] [--thinking 400]

Training runs on one machine, the same model and batch, one after the other: 64 answers a step, each
a trial that sleeps for 20 s, and one of 64 on average for 60 s, a slot for each. The named baseline
is the first: no staleness, no deadline. Then staleness 1 and 2, each with a deadline of 30 s.

Reported are medians of all steps but the first two and the last: seconds a step, and the share of
it in which the trainer is idle, that is waits for answers and outcomes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import yaml
from grpo_step import GROUP_SIZE, GROUPS, make_model, make_problem, run_ours, write_recipe
from ray.cluster_utils import Cluster

TRIAL_S, STRAGGLER_S, DEADLINE_S = 20, 60, 30.0
SLOTS = GROUPS * GROUP_SIZE
JOB = f"""mkdir candidate
number=$(tr -dc 0-9 < settings.py)
if [ $((number % {SLOTS})) -eq 0 ]; then sleep {STRAGGLER_S}; else sleep {TRIAL_S}; fi
"""
CASES = {
    "staleness_0": {"staleness": 0},
    "staleness_1": {"staleness": 1, "deadline_s": DEADLINE_S},
    "staleness_2": {"staleness": 2, "deadline_s": DEADLINE_S},
}


def case(folder: Path, name: str, problem: Path, model: Path, args: argparse.Namespace) -> Path:
    """The recipe of one run."""
    path = write_recipe(folder / f"config_{name}.yaml", problem, model, args.steps)
    recipe = yaml.safe_load(path.read_text())
    recipe["grpo"] |= CASES[name]
    recipe["answer"]["max_answer_tokens"] = args.thinking + 48
    recipe["executor"]["slots"] = SLOTS
    path.write_text(yaml.safe_dump(recipe))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--thinking", type=int, default=400, help="tokens of the longest answers")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    args = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="stale", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        problem = make_problem(folder / "sleeper", TRIAL_S)
        (problem / "codebase/job.sh").write_text(JOB)
        (problem / "problem.toml").write_text(
            (problem / "problem.toml").read_text().replace("seconds = 30", "seconds = 90")
        )
        model = make_model(folder / "model", problem, args.thinking)
        # The processes that wait for their trials to sleep need no cores of their own.
        ray = Cluster(initialize_head=True, head_node_args={"num_cpus": 2 * SLOTS, "num_gpus": 1})
        os.environ["RAY_ADDRESS"] = ray.address
        for run in CASES:
            steps = run_ours(case(folder, run, problem, model, args))[2:-1]
            for figure in ("time/step", "time/update", "trainer/idle", "completed"):
                middle = statistics.median(step[figure] for step in steps)
                figures[f"{run}_{figure.rpartition('/')[2]}"] = middle
                print(f"{run:22} {figure:14} {middle:8.3f}", file=sys.stderr)
        ray.shutdown()
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
