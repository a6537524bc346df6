"""Research problems as Gymnasium environments.

import gymnasium, gym_envs                       # importing registers research/…

env = gymnasium.make("research/Digits-v0")
prompt, info = env.reset()
_, reward, *_ = env.step("[Experiment] … [Code Changes] learning_rate: 0.05 -> 0.1")
"""

from gym_envs.registration import find_problem, problem_paths, register_problem, register_problems
from gym_envs.research_env import ResearchEnv
from gym_envs.vector_env import ResearchVectorEnv

register_problems()

__all__ = [
    "ResearchEnv",
    "ResearchVectorEnv",
    "find_problem",
    "problem_paths",
    "register_problem",
]
