"""Training runs for tests: a model of 80,000 parameters and a problem whose trials take no time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.models import tiny_checkpoint

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    pytest.importorskip("transformers")
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def recipe(tmp_path, model) -> Path:
    """A recipe of a few small steps in a store of its own."""
    path = tmp_path / "config_small.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "env": "digits",
                "run": "small",
                "store": str(tmp_path / "store"),
                "steps": 2,
                "model": {"path": str(model)},
                "answer": {"prompt": "brief", "max_prompt_tokens": 64, "max_answer_tokens": 64},
                "grpo": {"groups": 2, "group_size": 4, "learning_rate": 1e-3},
                "executor": {"slots": 2, "baseline_seeds": 1, "sandbox": "best-effort"},
                "checkpoint": {"every": 1},
            }
        )
    )
    return path


@pytest.fixture
def short_place(recipe: Path, model: Path) -> Iterator[Path]:
    """A folder with a short name, for Ray's sockets, with the recipe and a model of its own; what
    still runs there in the end is killed."""
    from tests.ideator_rl.rl.killed_runs import processes

    with tempfile.TemporaryDirectory(prefix="kill", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        own = shutil.copytree(model, folder / "model")
        settings = yaml.safe_load(recipe.read_text())
        settings |= {"store": f"{folder}/store", "model": {"path": str(own)}}
        (folder / "config_small.yaml").write_text(yaml.safe_dump(settings))
        yield folder
        for pid in processes(folder):
            os.kill(pid, signal.SIGKILL)


def start_training(recipe: Path, *overrides: str, **env: str) -> subprocess.Popen[str]:
    """`ideator-rl train` as a user starts it, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ideator_rl.train", "--config", str(recipe), *overrides],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
