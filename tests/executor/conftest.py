from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor import Executor, Problem
from executor.errors import UserError
from executor.sandbox import SANDBOXES, Sandbox, choose
from tests.executor.runs import tiny
from tests.executor.trials import Slot, all_gone

# `make test` tries the sandbox that most machines use, `make test-all` the others.
_LOCKS = [SANDBOXES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in SANDBOXES[1:])]


@pytest.fixture(scope="module", params=_LOCKS)
def lock(request: pytest.FixtureRequest) -> Sandbox:
    """Every sandbox that this machine gives, one after the other."""
    try:
        return choose("best-effort", (request.param,))
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory, lock: Sandbox) -> Iterator[Slot]:
    """A slot for one trial after the other; its parent's environment holds a secret."""
    env = {"API_KEY": "very-secret", "PYTHONPATH": "/no"}
    slot = Slot(tmp_path_factory.mktemp("slot"), lock, env)
    yield slot
    assert slot.close() == 0
    assert not slot.folder.exists()


@pytest.fixture
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test no process of its executors is alive, and no temporary folder is there."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert all_gone(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def executor(problem: Problem, store: Path) -> Iterator[Executor]:
    with Executor(problem, store=store, slots=1) as executor:
        yield executor


@pytest.fixture
def open_executor(problem: Problem, store: Path) -> Iterator[Executor]:
    """One whose training can leave signs on the host."""
    with Executor(problem, store=store, slots=1, sandbox="none") as executor:
        yield executor


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Ray cluster of one node, with more cores than there are, to which this process is
    connected. Whatever it starts has the temporary folder `tempfile.gettempdir()`."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    # Its sockets need a short path, and its address is for nobody else.
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as temporary,
        pytest.MonkeyPatch.context() as patch,
    ):
        (Path(temporary) / "ray").mkdir()
        patch.setenv("RAY_TMPDIR", temporary)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Trials as fast as those of local workers, whatever else runs here.
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("ray")))
        patch.setattr(tempfile, "tempdir", None)
        cluster = Cluster(
            initialize_head=True,
            connect=True,
            head_node_args={"num_cpus": 16, "include_dashboard": False},
        )
        yield cluster
        ray.shutdown()
        cluster.shutdown()
