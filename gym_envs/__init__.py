"""Research problems as Gymnasium environments.

import gymnasium, gym_envs                       # importing registers research/…

env = gymnasium.make("research/Digits-v0")
prompt, info = env.reset()
_, reward, *_ = env.step("[Experiment] … [Code Changes] learning_rate: 0.05 -> 0.1")
"""

from importlib import import_module
from typing import TYPE_CHECKING

from gym_envs.when_imported import when_imported

if TYPE_CHECKING:
    from gym_envs.registration import find_problem, problem_paths, register_problem
    from gym_envs.research_env import ResearchEnv
    from gym_envs.vector_env import ResearchVectorEnv

__all__ = [
    "ResearchEnv",
    "ResearchVectorEnv",
    "find_problem",
    "problem_paths",
    "register_problem",
]

_HOMES = {
    "gym_envs.registration": ("find_problem", "problem_paths", "register_problem"),
    "gym_envs.research_env": ("ResearchEnv",),
    "gym_envs.vector_env": ("ResearchVectorEnv",),
}


def __getattr__(name: str) -> object:
    """Imports a name when it is first used: Gymnasium takes as long as the start of a search."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _register() -> None:
    from gym_envs.registration import register_problems

    register_problems()


when_imported("gymnasium", _register)
