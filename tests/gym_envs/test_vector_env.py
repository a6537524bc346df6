from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from executor import load_problem
from gym_envs import ResearchVectorEnv
from tests.tiny_problem import larger, make_problem, slower


@pytest.fixture
def envs(tmp_path: Path) -> Iterator[ResearchVectorEnv]:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    envs = ResearchVectorEnv(problem, 4, store=tmp_path / "store", slots=4)
    yield envs
    envs.close()


def test_every_batch_counts(envs: ResearchVectorEnv) -> None:
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    prompts, _ = envs.reset(seed=0)
    for base in (20, 30, 40):
        ideas = [larger(base + i) for i in range(4)]
        observations, rewards_N, terminated_N, truncated_N, infos = envs.step(ideas)
        np.testing.assert_array_equal(rewards_N, base + np.arange(4.0))
        assert terminated_N.all() and not truncated_N.any()
        assert observations == prompts  # already the next episode
        assert all("Tried so far" in final for final in infos["final_obs"])
        assert list(infos["status"]) == ["completed"] * 4


def test_a_batch_runs_concurrently(envs: ResearchVectorEnv) -> None:
    envs.reset()
    envs.step([slower(1.0 + i / 100) for i in range(4)])
    trials = [event for event in envs.executor.run.events() if event["event"] == "trial"]
    assert max(t["started"] for t in trials) < min(t["ended"] for t in trials)


def test_only_finished_episodes_are_reset(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    envs = ResearchVectorEnv(problem, 2, store=tmp_path / "store", slots=2, max_turns=2)
    envs.reset()
    observations, _, terminated_N, _, infos = envs.step([larger(11), larger(12)])
    assert not terminated_N.any() and "final_obs" not in infos
    assert all("Tried so far" in observation for observation in observations)
    _, _, terminated_N, _, _ = envs.step([larger(13), larger(14)])
    assert terminated_N.all()
    envs.close()


def test_spaces_are_batched(envs: ResearchVectorEnv) -> None:
    prompts, infos = envs.reset(seed=[1, 2, 3, 4])
    assert prompts in envs.observation_space
    assert ("a", "é", "", "\U0001f600") in envs.action_space
    assert not infos["_outcome"].any() or infos["outcome"][0] is None


def test_the_number_of_ideas_must_match(envs: ResearchVectorEnv) -> None:
    envs.reset()
    with pytest.raises(ValueError, match="3 ideas for 4 environments"):
        envs.step(["a", "b", "c"])
