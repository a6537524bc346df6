"""verl's configuration in four layers: verl's defaults, the profile, the recipe, its `verl:` block.

    config = verl_config(recipe, paths, model="store/runs/digits-sft-qwen3_tiny-seed0/model")
    config.actor_rollout_ref.rollout.n                 # 16

Later layers win. A key that verl does not know is an error, whichever layer names it.
"""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from executor.errors import UserError
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe

if TYPE_CHECKING:
    from omegaconf import DictConfig

AGENT_LOOP = "idea"
# The name of our advantage estimator in verl.
OBJECTIVE = "objective"


def ray_resources(profile: str) -> dict[str, Any]:
    """The resources that a local Ray cluster declares; empty where Ray detects them."""
    return _load_profile(profile).get("ray", {})


def profile_fields(profile: str) -> dict[str, Any]:
    """The fields of verl's that a profile sets."""
    return {key: value for key, value in _load_profile(profile).items() if key != "ray"}


def _load_profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((files(__package__) / "profiles" / f"{name}.yaml").read_text())


def verl_config(recipe: TrainRecipe, paths: RunPaths, model: str) -> DictConfig:
    """The whole configuration of one run. Raises UserError for what verl does not know."""
    defaults = _defaults()
    config = copy.deepcopy(defaults)
    layers = {
        f"profile {recipe.profile}": profile_fields(recipe.profile),
        "recipe": _of_recipe(recipe, paths, model),
        "verl": recipe.verl,
    }
    for name, layer in layers.items():
        _merge(config, defaults, layer, f"{name}: ")
    if recipe.imitation and config.actor_rollout_ref.actor.strategy not in ("fsdp", "fsdp2"):
        raise UserError(
            "verl: actor_rollout_ref.actor.strategy: imitation adds gradients of verl's engine for "
            "FSDP; set it to fsdp2"
        )
    return config


@cache
def _defaults() -> DictConfig:
    """verl's own configuration."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer")
    OmegaConf.set_struct(config, True)
    return config


def _merge(section: Any, default: Any, layer: dict[str, Any], name: str) -> None:
    """Sets the keys of a layer in a section; `default` is the section as verl has it."""
    from omegaconf import OmegaConf, open_dict

    for key, value in layer.items():
        if key not in default and not _takes(default, key):
            raise UserError(f"{name}{key} is not a field of verl's configuration")
        missing = key not in default or OmegaConf.is_missing(default, key)
        if isinstance(value, dict) and not missing and OmegaConf.is_dict(default[key]):
            _merge(section[key], default[key], value, f"{name}{key}.")
        else:
            with open_dict(section):
                section[key] = value


def _takes(default: Any, key: str) -> bool:
    """Whether a section may get a key that its defaults do not have: a free-form dictionary, empty
    by default, or a dataclass that has such a field."""
    from hydra.utils import get_class

    if "_target_" not in default:
        return len(default) == 0
    target = get_class(default["_target_"])
    return is_dataclass(target) and key in {field.name for field in fields(target)}


def _of_recipe(recipe: TrainRecipe, paths: RunPaths, model: str) -> dict[str, Any]:
    answer, grpo = recipe.answer, recipe.grpo
    return {
        "data": {
            "train_files": str(paths.prompts),
            "val_files": str(paths.prompts),
            "train_batch_size": grpo.groups,
            "max_prompt_length": answer.max_prompt_tokens,
            "max_response_length": answer.max_answer_tokens,
            "dataloader_num_workers": 0,
            # In turn: of the prompts that are asked at a time, no two are the same row.
            "shuffle": False,
            "seed": recipe.seed,
        },
        "critic": {"enable": False},
        "algorithm": {"adv_estimator": OBJECTIVE, **_corrected(grpo.staleness)},
        "actor_rollout_ref": {
            "model": {"path": model},
            "actor": {
                "ppo_mini_batch_size": -(-grpo.groups // grpo.mini_batches),
                "clip_ratio": grpo.clip,
                "clip_ratio_low": grpo.clip,
                "clip_ratio_high": grpo.clip,
                "entropy_coeff": grpo.entropy,
                # Also where it begins at 0.
                "calculate_entropy": recipe.entropy_hold is not None,
                "use_kl_loss": grpo.kl > 0,
                "kl_loss_coef": grpo.kl,
                "optim": {"lr": grpo.learning_rate},
                "data_loader_seed": recipe.seed,
            },
            "rollout": {
                "n": grpo.group_size,
                "temperature": answer.temperature,
                "seed": recipe.seed,
                "max_model_len": answer.max_prompt_tokens + answer.max_answer_tokens,
                "calculate_log_probs": True,
                "agent": {
                    "default_agent_loop": AGENT_LOOP,
                    "agent_loop_config_path": str(paths.agent_loops),
                },
            },
        },
        "trainer": {
            "project_name": recipe.tracking.project,
            "experiment_name": recipe.run,
            "logger": ["wandb"] if recipe.tracking.kind == "wandb" else [],
            "total_epochs": recipe.steps,
            "total_training_steps": recipe.steps,
            "save_freq": recipe.checkpoint.every,
            "max_actor_ckpt_to_keep": recipe.checkpoint.keep,
            "default_local_dir": str(paths.checkpoints),
            "val_before_train": False,
            "resume_mode": "auto",
            "v1": _steps_ahead(grpo.staleness),
        },
    }


def _steps_ahead(staleness: int) -> dict[str, Any]:
    """How far generating may be ahead of learning; without a loss of what comes late."""
    if not staleness:
        return {"trainer_mode": "sync"}
    return {
        "trainer_mode": "colocate_async",
        "colocate_async": {"num_warmup_batches": staleness},
        "sampler": {"max_off_policy_threshold": staleness + 1, "max_off_policy_strategy": "wait"},
    }


def _corrected(staleness: int) -> dict[str, Any]:
    """Truncated importance sampling of each token, between the model that wrote it and the one that
    learns (Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy training").
    """
    if not staleness:
        return {}
    return {"rollout_correction": {"rollout_is": "token", "rollout_is_threshold": 2.0}}
