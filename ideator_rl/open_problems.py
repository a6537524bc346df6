"""The problems that a recipe of several names, each once.

problems = open_problems(recipe.envs)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from executor import Problem
from executor.errors import UserError
from gym_envs import find_problem
from ideator_rl.recipe.envs import EnvSettings


def open_problems(envs: Sequence[EnvSettings]) -> list[Problem]:
    """In the order of `envs`. Raises UserError for a problem that is unknown, or named twice."""
    problems = [find_problem(one.env, one.problem) for one in envs]
    counts = Counter(problem.name for problem in problems)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"envs: {twice[0]} is named twice; give it one entry with a larger weight")
    return problems
