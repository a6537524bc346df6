"""Three workloads of 60 transactions; the makespan is computed here from the order alone."""

import argparse
import random

from shinka.core import run_shinka_eval
from simulator import makespan

# How many keys there are, how many operations a transaction has, how many of these write.
WORKLOADS = ((60, 12, 0.5), (100, 16, 0.3), (40, 8, 0.4))
TRANSACTIONS = 60


def workload(number):
    keys, length, writes = WORKLOADS[number]
    rng = random.Random(number)
    return [
        # A few keys are wanted by many, as in a shop.
        [(rng.random() < writes, int(keys * rng.random() ** 2)) for _ in range(length)]
        for _ in range(TRANSACTIONS)
    ]


def kwargs_of(number):
    return {"transactions": workload(number)}


def check(order):
    numbers = isinstance(order, list) and all(type(number) is int for number in order)
    if not numbers or sorted(order) != list(range(TRANSACTIONS)):
        return False, "not every transaction once"
    return True, None


def sum_up(orders):
    ends = [makespan(workload(number), order) for number, order in enumerate(orders)]
    metrics = {f"workload_{number}": end for number, end in enumerate(ends)}
    return {"combined_score": 1000 / sum(ends), "public": metrics}


def main(program_path, results_dir):
    run_shinka_eval(
        program_path=program_path,
        results_dir=results_dir,
        experiment_fn_name="run_scheduling",
        num_runs=len(WORKLOADS),
        get_experiment_kwargs=kwargs_of,
        validate_fn=check,
        aggregate_metrics_fn=sum_up,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", default="initial.py")
    parser.add_argument("--results_dir", default="results")
    arguments = parser.parse_args()
    main(arguments.program_path, arguments.results_dir)
