"""kill -9 on the parts of a training run: it goes on, nothing finished runs again, nobody stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

import yaml

from executor.store.runs import Store
from ideator_rl.analysis.metrics_file import read_steps
from tests.ideator_rl.rl.conftest import start_training
from tests.models import teach

pytestmark = [pytest.mark.release, pytest.mark.timeout(900)]
IDEAS = [
    "<think>Fast.</think>[Experiment] Larger steps.\n[Code Changes]\nlearning_rate: 0.005 -> 0.05",
    "<think>Wider.</think>[Experiment] A wider layer.\n[Code Changes]\nhidden_size: 32 -> 64",
]


@pytest.fixture
def place(model, recipe) -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets; the model has two ideas, which take trials."""
    with tempfile.TemporaryDirectory(prefix="kill", ignore_cleanup_errors=True) as folder:
        own = shutil.copytree(model, Path(folder) / "model")
        teach(own, IDEAS)
        settings = yaml.safe_load(recipe.read_text())
        settings |= {"store": f"{folder}/store", "model": {"path": str(own)}}
        settings["answer"]["max_answer_tokens"] = 64
        (Path(folder) / "config_small.yaml").write_text(yaml.safe_dump(settings))
        yield Path(folder)
        for pid in _processes(Path(folder)):
            os.kill(pid, signal.SIGKILL)


def _start(place: Path, *overrides: str) -> subprocess.Popen[str]:
    # Every process of the run has this folder in its environment or on its command line.
    return start_training(place / "config_small.yaml", *overrides, TMPDIR=str(place))


def _wait(
    condition: Callable[[], object], seconds: float, run: subprocess.Popen[str] | None = None
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert run is None or run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _processes(place: Path, title: str = "") -> list[int]:
    """The run's processes, by what their command line begins with."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        mine = str(place).encode() in environment or str(place).encode() in command
        if folder.name.isdigit() and command and mine and command.decode().startswith(title):
            found.append(int(folder.name))
    return found


def _steps(place: Path) -> int:
    return max(read_steps(place / "store/runs/small/metrics.jsonl"), default=0)


def _trials(place: Path) -> Counter[str]:
    """How often each codebase was run, by the run's own record."""
    run = Store(place / "store").run("small")
    keys = [event["key"] for event in run.events() if event["event"] == "trial"]
    return Counter(run.outcome(key).content_hash for key in keys if run.outcome(key))


def test_a_killed_driver_leaves_nobody_and_the_same_command_goes_on(place):
    first = _start(place)
    _wait(lambda: _steps(place) >= 1, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _wait(lambda: not _processes(place), 60)

    finished = {p: p.read_bytes() for p in (place / "store").rglob("outcome.json")}
    steps = read_steps(place / "store/runs/small/metrics.jsonl")
    second = _start(place)
    output, _ = second.communicate(timeout=400)
    assert second.returncode == 0, output
    assert {path: path.read_bytes() for path in finished} == finished
    after = read_steps(place / "store/runs/small/metrics.jsonl")
    assert list(after) == [1, 2]
    assert after[1] == steps[1]
    assert set(_trials(place).values()) == {1}
    assert after[2]["completed"] > 0
    _wait(lambda: not _processes(place), 60)


def test_a_killed_trial_worker_is_repeated_and_a_killed_agent_loop_costs_a_restart(place):
    run = _start(place, "--steps", "2", "--executor.baseline_seeds", "6")
    _wait(lambda: _processes(place, "ray::run_trial"), 200, run)
    os.kill(_processes(place, "ray::run_trial")[0], signal.SIGKILL)
    _wait(lambda: _steps(place) >= 1, 300, run)
    os.kill(_processes(place, "ray::AgentLoopWorker")[0], signal.SIGKILL)
    output, _ = run.communicate(timeout=400)
    assert run.returncode == 0, output
    assert "a process of the run died" in output and "going on after step" in output
    assert list(read_steps(place / "store/runs/small/metrics.jsonl")) == [1, 2]
    kept = Store(place / "store").run("small")
    baselines = [key for key in kept.trials() if key.startswith("baseline")]
    assert [kept.outcome(key).status for key in baselines] == ["completed"] * 6
    assert set(_trials(place).values()) == {1}
    _wait(lambda: not _processes(place), 60)
