"""A Ray cluster of many nodes, simulated on one machine: busy slots, driver memory, killed nodes.

    python benchmarks/cluster.py [--json] [--nodes 16] [--slots 64] [--trials 10000] [--seconds 2]

Trials are real ones (own process, sandbox, examination, everything kept) of a shell script that
sleeps; the ideas are submitted in rounds of ten for each slot, as a search would. In one run:

- busy: the share of slot-seconds that trials took, from when every slot has had one until the last
  round; the driver's memory after a tenth of the trials and at the end;
- rates of trials without work, of 1,000 and of `--trials` of them: the second is compared with the
  first, the named baseline;
- a quarter of the nodes killed at random moments of a tenth of the trials: outcomes that are
  missing, and those that are there twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from executor import Executor, Idea, load_problem
from executor.cluster.workers import RayWorkers
from executor.sandbox import choose

from executor_overhead import FILES

ROUND = 10  # ideas in flight for each slot


def make_problem(folder: Path) -> Path:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def idea(number: int, seconds: float) -> Idea:
    line = f"sleep {seconds}  # {number}" if seconds else f": # {number}"
    edit = f"job.sh\n<<<<<<< SEARCH\nsleep 0\n=======\n{line}\n>>>>>>> REPLACE\n"
    return Idea(f"{number:05d}", f"[Experiment] Sleep.\n[Code Changes]\n{edit}")


def run(args: argparse.Namespace, folder: Path, name: str, trials: int, seconds: float) -> dict:
    """Runs trials on the cluster; figures of them."""
    problem, own = load_problem(folder), psutil.Process()
    workers = RayWorkers(problem, choose("best-effort"), slots=args.slots)
    memory, at_once = [], threading.Semaphore(ROUND * args.slots)
    with Executor(problem, store=folder / name, run=name, workers=workers) as executor:
        begun, futures = time.monotonic(), []
        for number in range(trials):
            at_once.acquire()
            future = executor.submit(idea(number, seconds))
            future.add_done_callback(lambda _: at_once.release())
            futures.append(future)
            if number in (trials // 10, trials - 1):
                memory.append(own.memory_info().rss / 2**20)
        completed = sum(future.result().completed for future in futures)
        wall = time.monotonic() - begun
        events = executor.run.events()
    ran = [event for event in events if event["event"] == "trial"]
    starts = sorted(event["started"] for event in ran)
    full, drained = starts[args.slots - 1], starts[-args.slots]
    busy = sum(
        max(0.0, min(event["ended"], drained) - max(event["started"], full)) for event in ran
    )
    finished = Counter(event["key"] for event in events if event["event"] == "finished")
    return {
        "busy": busy / args.slots / max(drained - full, 1e-9),
        "trials_per_s": trials / wall,
        "driver_mib_early": memory[0],
        "driver_mib": memory[-1],
        "lost": trials - completed,
        "twice": sum(count - 1 for count in finished.values()),
    }


def kill_some(cluster: object, nodes: list, seconds: float) -> threading.Thread:
    """Kills a quarter of the nodes at random moments of the next seconds."""
    rng = random.Random(0)
    moments = sorted(rng.uniform(0.2, 0.8) * seconds for _ in range(len(nodes) // 4))
    begun = time.monotonic()

    def work() -> None:
        for moment in moments:
            time.sleep(max(0.0, begun + moment - time.monotonic()))
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--slots", type=int, default=64, help="a multiple of the nodes")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="a trial's length")
    args = parser.parse_args()

    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    each = args.slots // args.nodes
    nodes = [cluster.add_node(num_cpus=each, num_gpus=0) for _ in range(args.nodes)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    load = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="cluster-") as name:
            folder = make_problem(Path(name) / "sleeper")
            sleeping = run(args, folder, "sleeping", args.trials, args.seconds)
            few = run(args, folder, "few", min(1000, args.trials), 0.0)
            many = run(args, folder, "many", args.trials, 0.0)
            fewer = max(args.trials // 10, 4 * args.slots)
            killing = kill_some(cluster, nodes, fewer * args.seconds / args.slots)
            killed = run(args, folder, "killed", fewer, args.seconds)
            killing.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    figures = {
        **{name: sleeping[name] for name in ("busy", "driver_mib_early", "driver_mib")},
        "zero_work_per_s": many["trials_per_s"],
        "zero_work_of_1000": many["trials_per_s"] / few["trials_per_s"],
        "killed_lost": killed["lost"],
        "killed_twice": killed["twice"],
        "killed_busy": killed["busy"],
        "load_before": load,
    }
    for name, value in figures.items():
        print(f"{name:22} {value:.3f}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
