"""The problems of a training: one, or several of which each has a run of its own beside it.

    parts = open_parts(recipe)
    check_parts(recipe, parts)               # before anything starts
    parts[0].problem, parts[0].recipe.run    # where its trials are

A training on one problem is its own only part.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import msgspec

from executor import Problem
from executor.errors import UserError
from executor.llm.settings import LLMSettings
from executor.sandbox.visible import gpu_names
from executor.workers.local import local_slots
from gym_envs import find_problem
from ideator_rl.open_problems import open_problems
from ideator_rl.recipe.sections import (
    ImplementerSettings,
    LLMImplementerSettings,
    RayWorkersSettings,
)
from ideator_rl.rl.train_recipe import LearntEnvSettings, TrainRecipe
from ideator_rl.run_parts import part_name


@dataclass(frozen=True)
class Part:
    """A problem, what the recipe says of it, and that recipe for this problem alone."""

    env: LearntEnvSettings
    problem: Problem
    recipe: TrainRecipe


def open_parts(recipe: TrainRecipe) -> list[Part]:
    """In the order of `envs`. Raises UserError for a problem that is unknown, or named twice."""
    if not recipe.envs:
        env = LearntEnvSettings(recipe.env, problem=recipe.problem)
        return [Part(env, find_problem(recipe.env, recipe.problem), recipe)]
    problems = open_problems(recipe.envs)
    return [
        Part(env, problem, _recipe_of(recipe, env, problem))
        for env, problem in zip(recipe.envs, problems, strict=True)
    ]


def check_parts(recipe: TrainRecipe, parts: Sequence[Part]) -> None:
    """Looks at the data of every problem, and makes what can be made. Raises UserError for data or
    GPUs that are missing."""
    for part in parts:
        part.problem.data()
    cpus, gpus = most_needed(parts)
    if recipe.by_turns:
        local_slots(recipe.executor.slots, cpus, gpus)
    on_ray = isinstance(recipe.executor.workers, RayWorkersSettings | None)
    if on_ray and "RAY_ADDRESS" not in os.environ and gpus > len(gpu_names()):
        name = next(p.problem.name for p in parts if p.problem.file.resources.gpus == gpus)
        raise UserError(
            f"a trial of {name} asks for {gpus} GPUs and this machine has {len(gpu_names())}: set "
            "RAY_ADDRESS to a cluster that has them, or resources.gpus of the problem"
        )


def most_needed(parts: Sequence[Part]) -> tuple[int, int]:
    """The cores and the GPUs that a slot for trials of any of the problems has."""
    needs = [part.problem.file.resources for part in parts]
    return max(need.cpus for need in needs), max(need.gpus for need in needs)


def _recipe_of(recipe: TrainRecipe, env: LearntEnvSettings, problem: Problem) -> TrainRecipe:
    """`envs` stays, so that it tells a run of one of several problems from one of one problem."""
    share = env.weight / sum(one.weight for one in recipe.envs)
    return msgspec.structs.replace(
        recipe,
        env=env.env,
        problem=env.problem,
        run=part_name(recipe.run, problem.name),
        implementer=_implementer_of(recipe.implementer, share),
    )


def _implementer_of(settings: ImplementerSettings, share: float) -> ImplementerSettings:
    """The code model of one problem, with its share of the budget and of the requests."""
    if not isinstance(settings, LLMImplementerSettings):
        return settings
    return msgspec.structs.replace(settings, llm=_shared(settings.llm, share))


def _shared(llm: LLMSettings, share: float) -> LLMSettings:
    budget, per_minute = llm.budget, (llm.requests_per_minute, llm.tokens_per_minute)
    requests, tokens = (None if most is None else share * most for most in per_minute)
    return msgspec.structs.replace(
        llm,
        concurrency=ceil(share * llm.concurrency),
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        budget=msgspec.structs.replace(
            budget,
            calls=None if budget.calls is None else int(share * budget.calls),
            tokens=None if budget.tokens is None else int(share * budget.tokens),
            money=None if budget.money is None else share * budget.money,
        ),
    )
