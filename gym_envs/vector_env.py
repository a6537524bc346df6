"""A batch of ideas a step, executed concurrently.

envs = gymnasium.make_vec("research/Digits-v0", num_envs=8)
prompts, infos = envs.reset()
prompts, rewards_N, *_ , infos = envs.step(ideas)           # 8 ideas, as many at once as slots
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from executor import Idea, Problem
from gym_envs.research_env import ResearchEnv, as_idea


class ResearchVectorEnv(VectorEnv[tuple[str, ...], Sequence[str | Idea], np.ndarray]):
    """`num_envs` copies of a ResearchEnv on one executor.

    Autoreset is SAME_STEP: an environment whose episode ended returns the next episode's first
    observation at once, its last one under `infos["final_obs"]` and `infos["final_info"]`. (With
    NEXT_STEP every second batch of a one-step environment would be thrown away.)

    Args:
        problem: as of ResearchEnv.
        num_envs: how many environments, at least one.
        arguments: the others of ResearchEnv; all environments share the executor.
    """

    metadata = {
        "render_modes": ["ansi"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        problem: Problem | str | Path,
        num_envs: int = 1,
        **arguments: Any,
    ) -> None:
        first = ResearchEnv(problem, **arguments)
        self.num_envs = num_envs
        self.executor, self.problem = first.executor, first.problem
        self.render_mode = first.render_mode
        self.envs = [first] + [
            ResearchEnv(first.problem, **arguments | {"executor": first.executor})
            for _ in range(num_envs - 1)
        ]
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, num_envs)
        self.action_space = batch_space(first.action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        super().reset(seed=seed if isinstance(seed, int) else None)
        infos: dict[str, Any] = {}
        observations = []
        for i, env in enumerate(self.envs):
            own = seed[i] if isinstance(seed, list) else None if seed is None else seed + i
            observation, info = env.reset(seed=own)
            observations.append(observation)
            infos = self._add_info(infos, info, i)
        return tuple(observations), infos

    def step(
        self, actions: Sequence[str | Idea]
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Executes one idea in every environment; returns when all of them have ended."""
        if len(actions) != self.num_envs:
            raise ValueError(f"{len(actions)} ideas for {self.num_envs} environments")
        ideas = [as_idea(action) for action in actions]
        futures = [self.executor.submit(idea) for idea in ideas]
        outcomes = [future.result() for future in futures]

        observations = []
        rewards_N = np.zeros(self.num_envs, np.float64)
        terminated_N = np.zeros(self.num_envs, np.bool_)
        truncated_N = np.zeros(self.num_envs, np.bool_)
        infos: dict[str, Any] = {}
        for i, (env, idea, outcome) in enumerate(zip(self.envs, ideas, outcomes, strict=True)):
            observation, rewards_N[i], terminated_N[i], truncated_N[i], info = env._advance(
                idea, outcome
            )
            if terminated_N[i] or truncated_N[i]:
                infos = self._add_info(infos, {"final_obs": observation, "final_info": info}, i)
                observation, _ = env.reset()
            observations.append(observation)
            infos = self._add_info(infos, info, i)
        return tuple(observations), rewards_N, terminated_N, truncated_N, infos

    def render(self) -> tuple[str | None, ...]:  # type: ignore[override]
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        self.envs[0].close()
