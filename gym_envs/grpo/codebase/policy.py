"""The policy: a model that continues text, loaded from a folder and left in one.

    policy = load_policy(data_dir / "model", "cpu")
    logits_BTV = logits(policy, idx_BT)
    save_policy(policy, data_dir / "model", Path("candidate"))

A folder holds `config.json` and `model.safetensors`; `model_type` in the first says whose it is: a
`tiny_gpt` is ours, all others are loaded by transformers in their standard architecture.
"""

import json
import shutil
from pathlib import Path

import torch

from tiny_gpt import TinyConfig, TinyGPT
from weights import read_weights, write_weights

WEIGHTS = "model.safetensors"


def read_config(folder: Path) -> dict:
    path = folder / "config.json"
    if not path.is_file():
        raise SystemExit(f"{folder} holds no model: config.json is missing")
    return json.loads(path.read_text())


def is_tiny(folder: Path) -> bool:
    return read_config(folder)["model_type"] == "tiny_gpt"


def load_policy(folder: Path, device: str, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The model of a folder, on a device. Leaves with one line where it cannot be loaded."""
    if is_tiny(folder):
        policy: torch.nn.Module = TinyGPT(TinyConfig(**read_config(folder)))
        policy.load_state_dict(read_weights(folder / WEIGHTS))
        return policy.to(device, dtype)
    try:
        from transformers import AutoModelForCausalLM
    except ImportError:
        raise SystemExit("no transformers here: pip install 'ideator-rl[grpo]'") from None
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return policy.to(device)


def logits(policy: torch.nn.Module, idx_BT: torch.Tensor) -> torch.Tensor:
    """Logits (B, T, V) of the token after each of idx_BT, in single precision.

    Sequences are padded at their ends, which a causal model never looks at from before: no mask.
    """
    output = policy(idx_BT)
    return (output if isinstance(output, torch.Tensor) else output.logits).float()


def save_policy(policy: torch.nn.Module, base: Path, folder: Path) -> None:
    """Leaves the policy in `folder`: its weights, and beside them the files of `base` unchanged,
    as the examination demands."""
    folder.mkdir(exist_ok=True)
    if isinstance(policy, TinyGPT):
        write_weights(folder / WEIGHTS, policy.state_dict())
    else:
        policy.to(torch.bfloat16).save_pretrained(folder / "saved", max_shard_size="100GB")
        (folder / "saved" / WEIGHTS).rename(folder / WEIGHTS)
        shutil.rmtree(folder / "saved")
    for path in base.iterdir():
        if "safetensors" not in path.name:
            shutil.copy(path, folder / path.name)
