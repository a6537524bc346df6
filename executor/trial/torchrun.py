"""Starts a script in one process for each GPU of the trial, as PyTorch's torchrun does.

    GPUS=8 python -P torchrun.py train.py     # torchrun --standalone --nproc-per-node 8 train.py
    GPUS=0 python -P torchrun.py train.py     # one process on the processor

An entry whose first word is `torchrun` is started so. One GPU or none needs no second process. Of
several processes the first that fails ends the others, and what it said is the last line printed;
BUDGET_STARTED is when they were launched, by the monotonic clock that all of them share.
Runs in the sandbox: it imports nothing of this package.
"""

import glob
import json
import logging
import os
import runpy
import sys
import time
import uuid


def main() -> None:
    sys.argv = sys.argv[1:]
    if "LOCAL_RANK" in os.environ:
        run_as_one_of_many()
        return
    gpus = int(os.environ.get("GPUS", 0))
    if gpus > (found := visible_gpus()):
        sys.exit(
            f"this trial asks for {gpus} GPUs and finds {found}: "
            "set problem.resources.gpus, or run it where there are as many"
        )
    if gpus > 1:
        launch(gpus, sys.argv)
    else:
        sys.path.insert(0, os.getcwd())
        runpy.run_path(sys.argv[0], run_name="__main__")


def visible_gpus() -> int:
    """Counted without CUDA, which would take memory on a GPU for this process."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return len([name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name])
    return len(glob.glob("/dev/nvidia[0-9]*"))


def launch(processes: int, words: list[str]) -> None:
    """Runs a script and its arguments once a rank, through this file.

    Exits with what the first rank that failed said.
    """
    # The budget's clock runs already, and each process has its imports before it.
    os.environ["BUDGET_STARTED"] = repr(time.monotonic())
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Its report of a failure is twenty lines, ours is one.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",  # the name of a host need not resolve where there is no network
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-u", "-P", "-B", __file__, *words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        sys.exit(f"rank {rank}: {_last_line(failure.message)}")


def run_as_one_of_many() -> None:
    from torch.distributed.elastic.multiprocessing.errors import record

    sys.path.insert(0, os.getcwd())
    record(runpy.run_path)(sys.argv[0], run_name="__main__")


def _last_line(message: object) -> str:
    """Of what elastic keeps of a failure: an exception's name and text."""
    if isinstance(message, dict):
        message = message.get("message", message)
    text = message if isinstance(message, str) else json.dumps(message)
    return (text.strip().splitlines() or ["ended without a word"])[-1]


if __name__ == "__main__":
    main()
