"""A trial on a Ray worker reaches nothing of Ray: whoever does could run code on every node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")

from executor.cluster.workers import RayWorkers
from executor.records import Job
from executor.sandbox import Sandbox, choose
from tests.executor.cluster.test_ray_workers import play
from tests.executor.trials import TRAIN, make_spec

_LOOK = """
import glob, json, os, socket
def connects(family, address):
    with socket.socket(family) as client:
        client.settimeout(1)
        try:
            client.connect(address)
            return True
        except OSError:
            return False
def text(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
host, port = GCS.rsplit(":", 1)
sockets = [f"{SESSION}/sockets/{name}" for name in ("raylet", "plasma_store")]
pids = [name for name in os.listdir("/proc") if name.isdigit()]
print(json.dumps({
    "the control store": connects(socket.AF_INET, (host, int(port))),
    "sockets of the node": any(connects(socket.AF_UNIX, path) for path in sockets),
    "the session's folder": os.path.exists(SESSION),
    "the object store": any("plasma" in name for name in os.listdir("/dev/shm")),
    "processes of Ray": any(b"raylet" in text(f"/proc/{pid}/cmdline") for pid in pids),
    "variables of Ray": any(name.startswith("RAY") for name in os.environ),
}))
"""


@pytest.fixture
def reached(ray_cluster: Any, problem: Any, tmp_path: Path) -> Any:
    """What a trial under a lock reaches of Ray, by name."""
    import ray

    node: Any = ray._private.worker._global_node
    facts = f"GCS, SESSION = {node.gcs_address!r}, {node.get_session_dir_path()!r}\n"

    def reached(lock: Sandbox) -> dict[str, bool]:
        spec = make_spec(tmp_path / "spec", facts + _LOOK + TRAIN)
        workers = RayWorkers(problem, lock, slots=1)
        trial = play(workers, lambda workers: workers.run(Job("a", "hash"), spec))
        assert trial.status == "completed", trial.detail
        return json.loads(trial.log)

    return reached


@pytest.mark.slow
def test_a_trial_on_a_ray_worker_reaches_nothing_of_ray(reached: Any) -> None:
    assert not any(reached(choose("strict")).values())


@pytest.mark.slow
def test_a_trial_that_is_not_locked_in_reaches_it(reached: Any) -> None:
    found = reached(Sandbox("process", "none"))
    assert found["the control store"] and found["sockets of the node"] and found["processes of Ray"]
