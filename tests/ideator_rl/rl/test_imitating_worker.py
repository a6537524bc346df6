"""Gradients of verl's own worker against a loss that is written down here."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("verl")

import torch
from omegaconf import OmegaConf

from ideator_rl.rl.hardware import VERL_ON_CPU
from ideator_rl.rl.objectives.imitation import ImitatedAnswer
from ideator_rl.rl.train_recipe import TrainRecipe, run_paths
from ideator_rl.rl.verl_config import verl_config
from tests.ideator_rl.rl.conftest import ROOT

# Two ranks of gloo, and transformers' import, take their time on two cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TEMPERATURE, CLIP = 0.8, 0.2
Update = Callable[..., dict[str, Any]]
# Prompts and answers of several lengths, so that every batch is padded somewhere.
ROWS = (([5, 6, 7], [20, 21, 22, 23]), ([5, 6], [30, 31]), ([8], [40, 41, 42]), ([9, 9], [50]))
ANSWERS = (
    ImitatedAnswer((5, 6, 7), (60, 61, 62, 63, 64, 2)),
    ImitatedAnswer((5,), (70, 2)),
    ImitatedAnswer((5, 6), (80, 81, 82, 2)),
)


@pytest.fixture
def update(model: Path, tmp_path: Path) -> Update:
    """Runs `one_update.py` on so many ranks; returns its gradients and what the workers told."""

    def run(
        rows: list[dict[str, Any]],
        answers: tuple[ImitatedAnswer, ...],
        ranks: int = 1,
        updates: int = 1,
        entropy: float = 0.0,
        weight: float = 0.3,
        verl: dict[str, Any] | None = None,
        rollout: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        sections = {
            "actor": {"optim": {"clip_grad": 1e9}, **(verl or {})},
            "rollout": rollout or {},
        }
        recipe = TrainRecipe(env="digits", run="a", verl={"actor_rollout_ref": sections})
        config = verl_config(recipe, run_paths(recipe), str(model)).actor_rollout_ref
        wanted = {
            "config": OmegaConf.to_container(config, resolve=True),
            "rows": rows,
            "answers": answers,
            "weight": weight,
            "entropy": entropy,
            "updates": updates,
            "temperature": TEMPERATURE,
        }
        torch.save(wanted, tmp_path / "wanted.pt")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["-m", "tests.ideator_rl.rl.one_update"]
        paths = [str(tmp_path / "wanted.pt"), str(tmp_path / "found.pt")]
        started = [
            subprocess.Popen(
                [sys.executable, *words, *paths],
                cwd=ROOT,
                env={
                    **os.environ,
                    **VERL_ON_CPU,
                    "PYTHONPATH": str(ROOT),
                    "RANK": str(rank),
                    "WORLD_SIZE": str(ranks),
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(ranks)
        ]
        for process in started:
            output, _ = process.communicate(timeout=400)
            assert process.returncode == 0, output
        found = torch.load(tmp_path / "found.pt", weights_only=False)
        others = [torch.load(tmp_path / f"found.pt.{r}")["told"] for r in range(1, ranks)]
        return {**found, "told": (found["told"] + sum(others)) / ranks}

    return run


def rows(model: Path, advantages: list[float | None], shift: float = 0.0) -> list[dict[str, Any]]:
    """The policy's answers, at a ratio of e^`shift`; one without an advantage is padding."""
    made = []
    for (prompt, answer), advantage in zip(ROWS, advantages, strict=True):
        log_probs, _ = of_answer(load(model), prompt, answer)
        counts = int(advantage is not None)
        made.append(
            {
                "prompt": prompt,
                "answer": answer,
                "mask": [counts] * len(answer),
                "advantage": advantage or 0.0,
                "old": (log_probs.detach() - shift).tolist(),
            }
        )
    return made


def load(model: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


def of_answer(
    model: torch.nn.Module, prompt: Any, answer: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability and entropy of each token of an answer, without any batch or padding."""
    ids = torch.tensor([[*prompt, *answer]])
    logits_LV = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float() / TEMPERATURE
    log_p_LV = torch.log_softmax(logits_LV, -1)
    chosen_L = log_p_LV[torch.arange(len(answer)), torch.tensor(answer)]
    return chosen_L, -(log_p_LV.exp() * log_p_LV).sum(-1)


def mean_log_likelihood(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([of_answer(model, a.prompt, a.answer)[0] for a in ANSWERS]).mean()


def gradient(model: Path, loss: Callable[[torch.nn.Module], torch.Tensor]) -> dict[str, Any]:
    loaded = load(model)
    loss(loaded).backward()
    return {name: parameter.grad for name, parameter in loaded.named_parameters()}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    assert largest > 1e-4
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize(
    ("ranks", "part"),
    # Three answers on two ranks, and in parts of two: one row is blank.
    [(1, None), (2, None), (1, 2)],
)
def test_the_gradient_is_that_of_rewards_entropy_and_log_likelihood(
    update: Update, model: Path, ranks: int, part: int | None
) -> None:
    given, sizes = [0.7, -0.4, 1.1, None], {}
    if part:
        sizes = {
            "verl": {"use_dynamic_bsz": False, "ppo_micro_batch_size_per_gpu": part},
            "rollout": {
                "log_prob_use_dynamic_bsz": False,
                "log_prob_micro_batch_size_per_gpu": part,
            },
        }
    found = update(rows(model, given), ANSWERS, ranks, entropy=0.05, **sizes)

    def loss(policy: torch.nn.Module) -> torch.Tensor:
        counted = list(zip(ROWS, given, strict=True))[:3]
        each = [(of_answer(policy, *row), advantage) for row, advantage in counted]
        wanted = torch.cat([advantage * chosen for (chosen, _), advantage in each]).mean()
        entropy = torch.cat([entropy for (_, entropy), _ in each]).mean()
        return -wanted - 0.05 * entropy - 0.3 * mean_log_likelihood(policy)

    [gradients] = found["gradients"]
    assert_same(gradients, gradient(model, loss))
    assert found["told"] == pytest.approx(mean_log_likelihood(load(model)).item(), rel=1e-4)


def test_what_clips_the_policy_loss_leaves_the_imitation(update: Update, model: Path) -> None:
    # At a ratio of e, and wanted: every token of the policy is clipped away.
    clipped = rows(model, [1.0] * 4, shift=1.0)
    [gradients] = update(clipped, ANSWERS)["gradients"]
    assert_same(gradients, gradient(model, lambda policy: -0.3 * mean_log_likelihood(policy)))


def test_each_of_a_steps_updates_imitates(update: Update, model: Path) -> None:
    # No advantage anywhere: the second update has a gradient of imitation alone, too.
    found = update(rows(model, [0.0] * 4), ANSWERS, updates=2)["gradients"]
    assert len(found) == 2
    assert_same(found[0], gradient(model, lambda policy: -0.3 * mean_log_likelihood(policy)))
    assert all(gradient.abs().max() > 0 for gradient in found[1].values())


@pytest.mark.parametrize("mode", ["seq-mean-token-sum", "seq-mean-token-mean"])
def test_answers_are_averaged_as_the_policy_loss_is(update: Update, model: Path, mode: str) -> None:
    def loss(policy: torch.nn.Module) -> torch.Tensor:
        each = [of_answer(policy, a.prompt, a.answer)[0] for a in ANSWERS]
        whole = [chosen.sum() if mode.endswith("sum") else chosen.mean() for chosen in each]
        return -0.3 * torch.stack(whole).mean()

    found = update(rows(model, [0.0] * 4), ANSWERS, verl={"loss_agg_mode": mode})
    assert_same(found["gradients"][0], gradient(model, loss))


def test_without_answers_the_update_is_verls(update: Update, model: Path) -> None:
    found = update(rows(model, [0.0] * 4), ())
    assert all(not gradient.any() for gradient in found["gradients"][0].values())
    assert math.isnan(found["told"])
