from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ideator_rl.integrations.trl import TrlReward, trl_prompts, trl_reward
from tests.tiny_problem import larger, make_problem


@pytest.fixture
def reward(tmp_path: Path) -> Iterator[TrlReward]:
    folder = make_problem(tmp_path / "tiny")
    with trl_reward(str(folder), slots=2, sandbox="best-effort") as reward:
        yield reward


def test_completions_of_either_form_are_executed_and_rewarded(reward: TrlReward) -> None:
    prompts = ["Write one idea."] * 4
    texts = [f"<think>Why not.</think>{larger(15)}", larger(12), "words", ""]
    rewards = reward(prompts=prompts, completions=texts, completion_ids=[[1]] * 4, column=[0] * 4)
    assert rewards == [15.0, 12.0, 0.0, 0.0]
    messages = [[{"role": "assistant", "content": text}] for text in texts]
    assert reward(prompts=prompts, completions=messages) == rewards
    assert [outcome.status for outcome in reward.outcomes] == [
        "completed",
        "completed",
        "not_implemented",
        "not_implemented",
    ]
    assert reward(completions=[[], [{"role": "tool"}]]) == [0.0, 0.0]


def test_what_is_executed_nowhere_is_kept_nowhere(tmp_path: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    with trl_reward(str(folder), slots=1, sandbox="best-effort") as reward:
        assert reward._env._temporary is not None
        store = Path(reward._env._temporary.name)
        assert store.exists()
    assert not store.exists() and os.listdir(tmp_path) == ["tiny"]


@pytest.mark.slow
def test_trl_trains_a_model_on_executions(
    reward: TrlReward, tiny_model: Path, tmp_path: Path
) -> None:
    """A step of GRPO on a model that writes garbage; one answer in four is an idea of ours."""
    trl = pytest.importorskip("trl")
    asked: list[int] = []

    def taught(completions: list, **others: object) -> list[float]:
        completions[0] = [{"role": "assistant", "content": larger(15)}]
        asked.append(len(completions))
        return reward(completions, **others)

    config = trl.GRPOConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=1,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
        learning_rate=1e-3,
        use_cpu=True,
        report_to="none",
        logging_steps=1,
        save_strategy="no",
    )
    trainer = trl.GRPOTrainer(
        str(tiny_model),
        reward_funcs=[taught, reward],
        args=config,
        train_dataset=trl_prompts(str(tmp_path / "tiny"), 4, "brief"),
    )
    before = next(trainer.model.parameters()).detach().clone()
    trainer.train()
    logged = trainer.state.log_history[0]
    assert asked == [4] and logged["rewards/taught/mean"] == 15 / 4
    assert logged["rewards/execution/mean"] in (0.0, 15 / 4)
    assert not before.equal(next(trainer.model.parameters()))
