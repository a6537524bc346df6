"""What a search costs besides its trials: processor time and memory of `ideator-rl search` itself.

    python benchmarks/controller.py [--json] [--ideas 500]

Ideas whose jobs do nothing, on 2 slots, each search in a fresh process: the milliseconds of
processor time of that process alone for an idea, from the search's begin to its end, and its memory
at the end:

- library: ideas of a library, which carry their own edits;
- llm: ideas and code come through the OpenAI SDK from a server on this machine;
- replay: the same requests, answered from the journal of the run before: all but the SDK.

And `first_trial_s`: wall seconds from the start of `ideator-rl search --config digits/evolution` to
the begin of its first trial, the best of three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from executor_overhead import FILES as SLEEPER
from pipeline import ENV, Server, serve

BATCH, STARTS = 10, 3
RECIPE = """
env: {folder}
run: {kind}
store: {folder}/{kind}
{writers}
search: {{method: best_of_n, epoch_size: {batch}, pipeline: continuous}}
budget: {{ideas: {ideas}}}
executor: {{slots: 2, baseline_seeds: 3, sandbox: best-effort}}
confirm: {{top: 0}}
"""
WRITERS = """
ideator: {{kind: api, llm: &llm {{{llm}, model: none, concurrency: 16}}}}
implementer: {{kind: llm, llm: *llm, samples: 1, revisions: 0}}
"""
ATOM = {
    "id": "idle",
    "experiment": "Do nothing for the {number}th time.",
    "changes": "job.sh\n<<<<<<< SEARCH\nsleep 0\n=======\n: # {number}\n>>>>>>> REPLACE\n",
}


def answer(body: str) -> str:
    """Ideas that name a number, or the edit that names it, too."""
    if asked := re.findall(r"Write (\d+|one) idea", body):
        numbers = random.sample(range(10**9), 1 if asked[-1] == "one" else int(asked[-1]))
        parts = (f"[Experiment] Idle.\\n[Code Changes] Job {n}.\\n[End]\\n" for n in numbers)
        return "".join(parts)
    number = re.findall(r"Job (\d+)", body)[-1]
    return f"job.sh\\n<<<<<<< SEARCH\\nsleep 0\\n=======\\n: # {number}\\n>>>>>>> REPLACE\\n"


def search_once(config: Path) -> None:
    """One search; prints its figures."""
    from executor import Store
    from gym_envs import find_problem
    from ideator_rl.open_executor import open_executor
    from ideator_rl.recipe.read import load_recipe
    from ideator_rl.search.loop import search
    from ideator_rl.search.open_ideator import open_ideator

    recipe = load_recipe(config)
    problem = find_problem(recipe.env)
    ideator = open_ideator(recipe.ideator, problem, Store(recipe.store).run(recipe.run))
    with open_executor(recipe, problem, seed=recipe.seed) as executor:
        begun, cpu = time.monotonic(), time.process_time()
        result = asyncio.run(search(recipe, executor, ideator, lambda idea, outcome: None))
        cpu, wall = time.process_time() - cpu, time.monotonic() - begun
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    count = sum(entry.outcome.completed for entry in result.executed)
    assert count == recipe.budget.ideas, result
    mib = pages * os.sysconf("SC_PAGESIZE") / 2**20
    figures = {"ms_per_idea": 1000 * cpu / count, "mib": mib, "ideas_per_s": count / wall}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def measure(folder: Path, kind: str, ideas: int, writers: str = "") -> dict[str, float]:
    recipe = RECIPE.format(folder=folder, kind=kind, writers=writers, batch=BATCH, ideas=ideas)
    config = folder / f"config_{kind}.yaml"
    config.write_text(recipe)
    command = [sys.executable, __file__, "--search", str(config)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=ENV)
    figures = json.loads(done.stdout.splitlines()[-1])
    return {f"{kind}_{name}": value for name, value in figures.items()}


def searches(ideas: int) -> dict[str, float]:
    """The figures of all three."""
    with tempfile.TemporaryDirectory(prefix="controller-") as name, Server(0, __file__) as server:
        folder = Path(name)
        atom = {**ATOM, "params": {"number": list(range(4 * ideas))}}
        for path, text in {**SLEEPER, "ideas.yaml": json.dumps([atom])}.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        asked = WRITERS.format(llm=f"api: openai, base_url: '{server.url}/v1'")
        replayed = WRITERS.format(llm=f"api: replay, recording: {folder}/llm/runs/llm")
        return (
            measure(folder, "library", ideas)
            | measure(folder, "llm", ideas, asked)
            | measure(folder, "replay", ideas, replayed)
        )


def first_trial_s() -> float:
    """From the start of the command to its first trial's, of which the run's events tell."""
    with tempfile.TemporaryDirectory(prefix="controller-") as folder:
        command = [sys.executable, "-m", "ideator_rl", "search", "--config", "digits/evolution"]
        command += ["--store", folder, "--budget.ideas", "1", "--confirm.top", "0"]
        begun = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        [events] = Path(folder).glob("runs/*/events.jsonl")
        lines = map(json.loads, events.read_text().splitlines())
        return min(line["started"] for line in lines if line["event"] == "trial") - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--ideas", type=int, default=500, help="ideas of each search")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        return asyncio.run(serve(args.serve, answer))
    if args.search:
        return search_once(args.search)

    load = os.getloadavg()[0]
    figures = searches(args.ideas)
    figures["first_trial_s"] = round(min(first_trial_s() for _ in range(STARTS)), 3)
    figures["load_before"] = round(load, 2)
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
