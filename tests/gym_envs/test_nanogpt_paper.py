"""nanogpt-paper: its training is the facts of the paper's baseline, at a tiny size."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from executor import Executor
from gym_envs import find_problem
from tests.gym_envs import paper_gpt
from tests.gym_envs.problem_files import load
from tests.gym_envs.test_nanogpt import InProcess, evaluate
from tests.gym_envs.test_nanogpt_full import SMALL, data, prepared, texts  # noqa: F401 (fixtures)

ROOT = Path(__file__).parents[2]
KNOWN, ANSWERED = 61, 128  # tokens of the vocabulary, and logits of an answer
STEPS, BATCH, WINDOW, HEADS, WARMUP, PEAK = 40, 8, 16, 2, 8, 0.02
TINY = {
    "n_layer": 3,
    "n_head": HEADS,
    "n_embd": 32,
    "block_size": WINDOW,
    "batch_size": BATCH,
    "micro_batch_size": BATCH,
    "learning_rate": PEAK,
    "warmup_steps": WARMUP,
    "schedule_steps": STEPS,
    "log_every": 1,
    "dtype": "float32",
    "compile": False,
}


@pytest.fixture(scope="module")
def full() -> ModuleType:
    return load(ROOT / "gym_envs" / "nanogpt_paper" / "codebase" / "model.py")


@pytest.fixture
def row(tmp_path: Path) -> torch.Tensor:
    """Tokens of which each often decides the next, in DATA_DIR; three more than the steps read."""
    rng = np.random.default_rng(0)
    length = STEPS * BATCH * WINDOW + 4
    follows, drawn = rng.permutation(KNOWN), rng.integers(KNOWN, size=length)
    tokens = [0]
    for other, often in zip(drawn[1:], rng.random(length - 1) < 0.7, strict=True):
        tokens.append(int(follows[tokens[-1]] if often else other))
    (tmp_path / "data").mkdir()
    np.array(tokens, np.uint16).tofile(tmp_path / "data" / "train.bin")
    meta = {"dtype": "uint16", "vocab_size": ANSWERED, "tokens_in_vocabulary": KNOWN}
    (tmp_path / "data" / "meta.json").write_text(json.dumps(meta))
    return torch.tensor(tokens)


def codebase(folder: Path, **hyperparameters: object) -> Path:
    changes = {f"hyperparameters.{key}": v for key, v in (TINY | hyperparameters).items()}
    folder.mkdir()
    for name, text in find_problem("nanogpt-paper", changes).codebase.items():
        (folder / name).write_text(text)
    return folder


def losses(folder: Path, data_dir: Path, words: tuple[str, ...] = ("train.py",)) -> list[float]:
    """Trains in a process of its own; the loss of every step that it printed."""
    settings = {"BUDGET_KIND": "wall", "BUDGET_SECONDS": "300", "SEED": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **settings, "DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [float(loss) for loss in re.findall(r"^step .* train loss (\S+)$", done.stdout, re.M)]


def initial_weights(folder: Path, seed: int) -> dict:
    """Those that a run with this seed begins with, as the rendering of the facts names them."""
    module = load(folder / "model.py")
    torch.manual_seed(seed)
    w = module.GPT(module.Config(vocab_size=KNOWN)).state_dict()
    parts = ("attention.qkv", "attention.out", "mlp.up", "mlp.down")
    layers = [[w[f"blocks.{n}.{part}.weight"] for part in parts] for n in range(TINY["n_layer"])]
    named = {"tokens": w["head.weight"], "positions": w["position_embedding.weight"]}
    for tensor in (*named.values(), *(matrix for layer in layers for matrix in layer)):
        tensor.requires_grad_()
    return {**named, "layers": layers}


def test_the_loss_of_every_step_is_that_of_the_facts_in_forty_lines(
    row: torch.Tensor, tmp_path: Path
) -> None:
    folder = codebase(tmp_path / "run")
    ours = losses(folder, tmp_path / "data")
    weights = initial_weights(folder, seed=3)
    facts = list(paper_gpt.curve(weights, row, BATCH, HEADS, PEAK, WARMUP, STEPS))
    assert len(ours) == STEPS
    assert ours == pytest.approx(facts, abs=1e-5)
    assert ours[-1] < ours[0] - 1.0
