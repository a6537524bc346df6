"""nanogpt-paper: its training is the facts of the paper's baseline, at a tiny size."""

from __future__ import annotations

import json
import math
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from executor import Executor
from gym_envs import find_problem
from tests.gym_envs import paper_gpt
from tests.gym_envs.problem_files import load
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


SETTINGS = {"BUDGET_KIND": "wall", "BUDGET_SECONDS": "300", "SEED": "3"}
Train = Callable[[Path], list[float]]


@pytest.fixture
def losses(
    row: torch.Tensor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Train:
    """Trains in this process, which has imported PyTorch; the loss of every step."""

    def train(folder: Path) -> list[float]:
        with monkeypatch.context() as patch:
            for name, value in {**SETTINGS, "DATA_DIR": str(tmp_path / "data")}.items():
                patch.setenv(name, value)
            patch.chdir(folder)
            patch.syspath_prepend(folder)
            patch.setitem(sys.modules, "model", load(folder / "model.py"))
            runpy.run_path(str(folder / "train.py"))
        return printed(capsys.readouterr().out)

    return train


def printed(log: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^step .* train loss (\S+)$", log, re.M)]


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
    row: torch.Tensor, losses: Train, tmp_path: Path
) -> None:
    folder = codebase(tmp_path / "run")
    ours = losses(folder)
    weights = initial_weights(folder, seed=3)
    facts = list(paper_gpt.curve(weights, row, BATCH, HEADS, PEAK, WARMUP, STEPS))
    assert len(ours) == STEPS
    assert ours == pytest.approx(facts, abs=1e-5)
    assert ours[-1] < ours[0] - 1.0


def test_parts_of_a_step_make_the_same_curve(losses: Train, tmp_path: Path) -> None:
    whole = losses(codebase(tmp_path / "whole"))
    assert losses(codebase(tmp_path / "parts", micro_batch_size=2)) == pytest.approx(
        whole, abs=1e-5
    )


@pytest.mark.release
def test_two_processes_with_a_slice_each_make_the_same_curve(losses: Train, tmp_path: Path) -> None:
    folder = codebase(tmp_path / "run")
    one = losses(folder)
    launch = "from executor.trial.torchrun import launch; launch(2, ['train.py'])"
    env = {"DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", launch],
        cwd=folder,
        env={**os.environ, **SETTINGS, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert printed(done.stdout) == pytest.approx(one, abs=1e-5)


def test_training_ends_some_seconds_after_its_first_step_and_begins_the_data_again(
    losses: Train, tmp_path: Path
) -> None:
    half = STEPS * BATCH // 2  # the data have two steps of so many sequences
    sizes = {"batch_size": half, "micro_batch_size": half, "schedule_steps": 10**6}
    folder = codebase(tmp_path / "run", train_seconds=1.0, **sizes)
    assert len(losses(folder)) > 2
    assert (folder / "candidate" / "model.pt").is_file()


def test_a_step_that_cannot_be_shared_out_evenly_is_refused(losses: Train, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 sequences a step cannot be shared out evenly"):
        losses(codebase(tmp_path / "run", micro_batch_size=3))


# ----- the model


def test_at_full_size_the_model_is_that_of_the_facts(full: ModuleType) -> None:
    config = full.Config()
    with torch.device("meta"):
        model = full.GPT(config)
    parameters = dict(model.named_parameters())
    assert round(sum(p.numel() for p in parameters.values()) / 1e6) == 124
    assert all(p.ndim == 2 for p in parameters.values())  # neither biases nor gains
    assert model.head.weight is model.token_embedding.weight
    assert model.head.weight.shape == (50257, 768)
    assert {block.attention_divisor for block in model.blocks} == {24**0.5}
    assert config.batch_size * config.block_size == 262_144
    assert config.batch_size == 8 * config.micro_batch_size


def test_tokens_begin_as_linear_layers_do_and_positions_with_a_deviation_of_a_fiftieth(
    full: ModuleType,
) -> None:
    torch.manual_seed(0)
    model = full.GPT(full.Config(n_layer=1, vocab_size=2000))
    bound = 768**-0.5  # what nn.Linear draws from, evenly
    for weight in (model.token_embedding.weight, model.blocks[0].attention.qkv.weight):
        assert 0.99 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert model.position_embedding.weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_answers_from_the_cache_are_those_of_the_parallel_forward_and_fillers_are_impossible(
    full: ModuleType,
) -> None:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": WINDOW}
    model = full.GPT(full.Config(**sizes, vocab_size=KNOWN, answer_size=ANSWERED)).eval()
    idx_BT = torch.randint(KNOWN, (2, WINDOW))
    with torch.inference_mode():
        parallel_BTV = model.logits(idx_BT).log_softmax(-1)
        cache = model.new_cache()
        answers = [model.forward_with_cache(idx_B, cache) for idx_B in idx_BT.T]
    answers_BTV = torch.stack(answers, 1).log_softmax(-1)
    torch.testing.assert_close(answers_BTV[..., :KNOWN], parallel_BTV, atol=1e-5, rtol=0)
    assert answers_BTV.shape[-1] == ANSWERED
    assert answers_BTV[..., KNOWN:].exp().sum() == 0


# ----- a whole trial


@pytest.mark.slow
@pytest.mark.usefixtures("prepared")
def test_a_small_model_is_trained_and_examined_whole(tmp_path: Path) -> None:
    problem = find_problem("nanogpt-paper", SMALL)
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        outcome = executor.submit_baseline().result()
    assert outcome.completed, outcome.detail
    vocabulary = json.loads((problem.data().train / "meta.json").read_text())["vocab_size"]
    assert outcome.metrics["loss"] < math.log(vocabulary) - 0.5
    assert outcome.reward == pytest.approx(1 / outcome.metrics["loss"])
