"""What a search pays for a store that is far away.

    python benchmarks/store.py [--json] [--pipeline epochs] [--delay 0.2] [--seconds 4]

The command `ideator-rl search`, from its start to its report: 40 ideas of a library on 4 slots,
whose trials sleep for U(0.5, 1.5) times `--seconds`, and three baselines; nothing is confirmed. It
runs twice, with the same ideas:

- the named baseline: on a local folder;
- on a bucket of an S3 server (moto, in a process of its own) that lets every request wait
  for 0.2 s.

Printed are both times, their ratio, what the store costs in seconds, and the requests that the
server had.
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
import urllib.request
from pathlib import Path
from typing import Any

from executor_overhead import FILES as SLEEPER

SLOTS, IDEAS, EPOCH = 4, 40, 10
BUCKET = "runs"
ENV = {
    **os.environ,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
RECIPE = """
env: {folder}
run: first
ideator: {{kind: library}}
search: {{method: best_of_n, epoch_size: {epoch}, pipeline: {pipeline}}}
budget: {{ideas: {ideas}}}
executor: {{slots: {slots}, baseline_seeds: 3, sandbox: best-effort}}
confirm: {{top: 0}}
"""


# --- the server -----------------------------------------------------------------------------------


def serve(delay_s: float) -> None:
    """Prints its port; `GET /requests` tells how many it had."""
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3 = DomainDispatcherApplication(create_backend_app)
    requests = 0

    def late(environ: dict[str, Any], start_response: Any) -> Any:
        nonlocal requests
        if environ["PATH_INFO"] == "/requests":
            start_response("200 OK", [("content-type", "text/plain")])
            return [b"%d" % requests]
        requests += 1
        time.sleep(delay_s)
        return s3(environ, start_response)

    server = make_server("127.0.0.1", 0, late, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


class Server:
    """The server in a process of its own, with an empty bucket."""

    def __init__(self, delay_s: float) -> None:
        command = [sys.executable, __file__, "--serve", str(delay_s)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}"
        self._ask("PUT", BUCKET)

    def requests(self) -> int:
        # The one that made the bucket is not the search's.
        return int(self._ask("GET", "requests")) - 1

    def _ask(self, method: str, path: str) -> bytes:
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/{path}", method=method)
        ) as answer:
            return answer.read()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


# --- the search -----------------------------------------------------------------------------------


def write_files(folder: Path, pipeline: str, seconds: float) -> None:
    """The problem, a library of more ideas than are asked for, and the recipe."""
    rng = random.Random(0)
    files = {**SLEEPER, "codebase/job.sh": f"mkdir candidate\nsleep {seconds}\n"}
    lengths = [round(seconds * rng.uniform(0.5, 1.5), 3) for _ in range(4 * IDEAS)]
    atom = {
        "id": "sleep",
        "experiment": "Sleep for {seconds} s.",
        "changes": f"job.sh\n<<<<<<< SEARCH\nsleep {seconds}\n=======\nsleep {{seconds}}\n"
        ">>>>>>> REPLACE\n",
        "params": {"seconds": lengths},
    }
    files["ideas.yaml"] = json.dumps([atom])
    files["config.yaml"] = RECIPE.format(
        folder=folder, epoch=EPOCH, pipeline=pipeline, ideas=IDEAS, slots=SLOTS
    )
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def search_s(folder: Path, store: str, **env: str) -> float:
    """Wall seconds of the command."""
    command = [sys.executable, "-m", "ideator_rl", "search", "--json"]
    command += ["--config", f"{folder}/config.yaml", "--store", store]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        env=ENV | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - begun
    assert json.loads(done.stdout)["completed"] == IDEAS
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--pipeline", default="epochs", choices=("epochs", "continuous"))
    parser.add_argument("--delay", type=float, default=0.2, help="seconds that a request waits")
    parser.add_argument("--seconds", type=float, default=4.0, help="a trial's length, on average")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        return serve(args.serve)

    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="store-") as name, Server(args.delay) as server:
        folder = Path(name)
        write_files(folder, args.pipeline, args.seconds)
        local_s = search_s(folder, f"{folder}/store")
        bucket_s = search_s(folder, f"s3://{BUCKET}/store", AWS_ENDPOINT_URL=server.url)
        requests = server.requests()
    figures = {
        "folder_s": round(local_s, 2),
        "bucket_s": round(bucket_s, 2),
        "ratio": round(bucket_s / local_s, 3),
        "added_s": round(bucket_s - local_s, 2),
        "requests": requests,
        "load_before": round(load, 2),
    }
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
