"""How busy store workers are kept: the same trials on slots of this machine and on workers.

    python benchmarks/store_workers.py [--json] [--slots 16] [--trials 128] [--seconds 2]

Trials are real ones (own process, examination, everything kept) of a shell script that sleeps for
U(0.5, 1.5) times `--seconds`. They run three times in one go, each from a fresh store:

- the named baseline: in `--slots` slots of the controller's own process;
- by way of a local folder, on `ideator-rl worker` processes of four slots each;
- the same by way of a bucket of a local S3 server (moto, in a process of its own).

Printed is the share of slot-seconds that trials took, from the first trial's start until as many
trials are left as there are slots.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from executor import Executor, Idea, load_problem
from executor.queue.workers import open_store_workers

from executor_overhead import FILES
from store import BUCKET, ENV, Server

SLOTS_EACH = 4


def idea(number: int, seconds: float) -> Idea:
    edit = f"job.sh\n<<<<<<< SEARCH\nsleep 0\n=======\nsleep {seconds}\n>>>>>>> REPLACE\n"
    return Idea(f"{number:04d}", f"[Experiment] Sleep.\n[Code Changes]\n{edit}")


def lengths(args: argparse.Namespace) -> list[float]:
    """All different: equal codebases would run once."""
    rng = random.Random(0)
    return [round(args.seconds * rng.uniform(0.5, 1.5), 4) for _ in range(args.trials)]


@contextmanager
def workers(store: str, env: str, slots: int) -> Iterator[None]:
    """Worker processes with so many slots together."""
    command = [sys.executable, "-m", "ideator_rl", "worker", "--store", store, "--env", env]
    command += ["--slots", str(SLOTS_EACH), "--sandbox", "best-effort"]
    started = [
        subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(slots // SLOTS_EACH)
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def busy(args: argparse.Namespace, folder: Path, store: str, *, here: bool) -> float:
    """The share of slot-seconds in steady state."""
    problem, seconds = load_problem(folder), lengths(args)
    with ExitStack() as opened:
        if here:
            where = {"slots": args.slots, "sandbox": "best-effort"}
        else:
            opened.enter_context(workers(store, str(folder), args.slots))
            there = open_store_workers(store, {}, problem, "best-effort", args.slots)
            where = {"workers": there}
        executor = opened.enter_context(Executor(problem, store=store, run="first", **where))
        # The workers have started, and know the problem.
        executor.submit(Idea("first", idea(0, 0.0).text, meta={}), seed=1).result()
        begun = time.monotonic()
        futures = [executor.submit(idea(n, s)) for n, s in enumerate(seconds)]
        ended: list[tuple[float, float]] = []
        for future, asked in zip(futures, seconds, strict=True):
            future.add_done_callback(lambda _, asked=asked: ended.append((time.monotonic(), asked)))
        for future in futures:
            assert future.result().completed
    ended.sort()
    steady = ended[: len(ended) - args.slots]
    until = steady[-1][0]
    # What runs at the end of the steady state counts with the part that lies in it.
    rest = sum(max(0.0, asked - (at - until)) for at, asked in ended[len(steady) :])
    return (sum(asked for _, asked in steady) + rest) / (args.slots * (until - begun))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--slots", type=int, default=16, help="a multiple of four")
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=2.0, help="a trial's length, on average")
    args = parser.parse_args()

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="workers-") as name, Server(0.0) as server:
        folder = Path(name) / "sleeper"
        for path, text in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        os.environ |= {**ENV, "AWS_ENDPOINT_URL": server.url}
        figures = {
            "slots": busy(args, folder, f"{name}/here", here=True),
            "workers_folder": busy(args, folder, f"{name}/folder", here=False),
            "workers_bucket": busy(args, folder, f"s3://{BUCKET}/store", here=False),
        }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    rounded["load_before"] = round(load, 2)
    for name, value in rounded.items():
        print(f"{name:22} {value}")
    if args.json:
        print(json.dumps(rounded))


if __name__ == "__main__":
    main()
