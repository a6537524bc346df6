from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("verl")

from executor.errors import UserError
from executor.settings import to_dict
from ideator_rl.rl.objectives.entropy_hold import EntropyHoldSettings
from ideator_rl.rl.objectives.imitation import ImitationSettings
from ideator_rl.rl.train_recipe import (
    AnswerSettings,
    GrpoSettings,
    TrainRecipe,
    read_train_recipe,
    run_paths,
)
from ideator_rl.rl.verl_config import OBJECTIVE, profile_fields, verl_config

RECIPES = Path(__file__).parents[3] / "recipes"


def _config(**settings):
    recipe = TrainRecipe(env="digits", run="a", **settings)
    return verl_config(recipe, run_paths(recipe), "some/model")


def test_the_recipe_is_the_science():
    answer = AnswerSettings(max_prompt_tokens=100, max_answer_tokens=50, temperature=0.7)
    config = _config(answer=answer, grpo=GrpoSettings(groups=4, group_size=8, mini_batches=2))
    assert config.data.train_batch_size == 4
    assert config.actor_rollout_ref.rollout.n == 8
    assert config.actor_rollout_ref.actor.ppo_mini_batch_size == 2
    assert config.actor_rollout_ref.rollout.temperature == 0.7
    assert config.actor_rollout_ref.rollout.max_model_len == 150
    assert config.algorithm.adv_estimator == OBJECTIVE


@pytest.mark.parametrize("kl", [0.0, 0.01])
def test_a_reference_model_is_kept_only_for_a_divergence_that_counts(kl):
    from verl.trainer.ppo.utils import need_reference_policy

    assert need_reference_policy(_config(grpo=GrpoSettings(kl=kl))) == (kl > 0)


def test_the_verl_block_wins_over_profile_and_recipe():
    config = _config(
        verl={
            "actor_rollout_ref": {
                "rollout": {"n": 5, "name": "vllm"},
                "model": {"override_config": {"a": 1}},
            },
            "trainer": {"n_gpus_per_node": 2},
        }
    )
    rollout = config.actor_rollout_ref.rollout
    assert (rollout.n, rollout.name, config.trainer.n_gpus_per_node) == (5, "vllm", 2)
    # A free-form section of verl's is added to, not replaced.
    assert config.actor_rollout_ref.model.override_config == {"attn_implementation": "sdpa", "a": 1}


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({"trainer": {"gpus": 8}}, "verl: trainer.gpus"),
        ({"actor_rollout_ref": {"rollout": {"agent": {"worker": 1}}}}, "rollout.agent.worker"),
        ({"rolout": {}}, "verl: rolout"),
    ],
)
def test_a_field_that_verl_does_not_know_is_named(block, name):
    with pytest.raises(UserError, match=f"{name} is not a field of verl's configuration"):
        _config(verl=block)


def test_a_coefficient_that_is_steered_has_its_entropy_from_the_first_step():
    assert not _config().actor_rollout_ref.actor.calculate_entropy
    assert _config(entropy_hold=EntropyHoldSettings()).actor_rollout_ref.actor.calculate_entropy


def test_another_engine_than_fsdp_imitates_nothing():
    verl = {"actor_rollout_ref": {"actor": {"strategy": "megatron"}}}
    with pytest.raises(UserError, match=r"actor.strategy: imitation .* set it to fsdp2"):
        _config(imitation=ImitationSettings(), verl=verl)
    assert _config(imitation=ImitationSettings())


@pytest.mark.parametrize("profile", ["cpu", "gpu", "gpu-lora"])
def test_verl_itself_accepts_the_digits_recipe_under_every_profile(profile, monkeypatch):
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    recipe = read_train_recipe(RECIPES / "digits/grpo/config_qwen3_tiny.yaml", {"profile": profile})
    config = verl_config(recipe, run_paths(recipe), "some/model")
    validate_config(config, need_reference_policy(config), need_critic(config))


def test_profiles_say_nothing_of_the_science():
    for name in ("cpu", "gpu", "gpu-lora"):
        profile = profile_fields(name)
        assert not {"algorithm", "data"} & profile.keys()
        assert not {"n", "temperature", "seed"} & profile["actor_rollout_ref"]["rollout"].keys()


def test_every_field_of_the_recipe_reaches_verl_or_ourselves():
    # A new field must be read somewhere: verl's configuration changes with each of these.
    # `deadline_s` is the agent loop's.
    base = {name: value for name, value in to_dict(GrpoSettings()).items() if name != "deadline_s"}
    for name, value in base.items():
        changed = GrpoSettings(
            **{**base, name: not value if isinstance(value, bool) else value + 2}
        )
        assert _config(grpo=changed) != _config(grpo=GrpoSettings()), name
