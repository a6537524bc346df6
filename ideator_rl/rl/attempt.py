"""One attempt to train until the last step: executors, baselines and verl's driver, watched.

train_to_the_end(recipe, parts, paths, config, logs)   # Ray is there; raises WorkerDied, RunFailed
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import Any

import ray
import yaml

from executor import Store
from executor.cluster.actor import ActorSettings, ProblemRun
from executor.cluster.remote import start_executors
from ideator_rl.open_implementer import open_implementer
from ideator_rl.rl.objectives.step import Learning
from ideator_rl.rl.parts import Part
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe
from ideator_rl.rl.trainer import TaskRunner
from ideator_rl.rl.trial_workers import open_workers
from ideator_rl.rl.turns import start_turns
from ideator_rl.rl.verl_config import AGENT_LOOP
from ideator_rl.rl.watch import Baselines, check_baselines, too_long, watch


def train_to_the_end(
    recipe: TrainRecipe, parts: Sequence[Part], paths: RunPaths, config: Any, logs: Path
) -> None:
    """One attempt to train until the last step. Raises WorkerDied, RunFailed."""
    settings = recipe.executor
    runs = tuple(
        ProblemRun(
            part.problem,
            part.recipe.run,
            partial(open_implementer, part.recipe.implementer, base_key=recipe.base_key),
            workers,
        )
        for part, workers in zip(parts, open_workers(recipe, parts), strict=True)
    )
    executors = start_executors(
        recipe.run,
        ActorSettings(
            runs,
            recipe.store,
            slots=settings.slots,
            sandbox=recipe.sandbox,
            seed=recipe.seed,
            period_s=settings.period_s,
        ),
    )
    first = executors[0]
    try:
        seeds = range(recipe.seed, recipe.seed + settings.baseline_seeds)
        baselines = [
            Baselines(part, [executor.submit_baseline(seed) for seed in seeds])
            for part, executor in zip(parts, executors, strict=True)
        ]
        turns = None
        if recipe.by_turns:
            # The model is loaded when they have ended: it would have their GPUs.
            every = [future for of_one in baselines for future in of_one.futures]
            if wait(every, recipe.stage_timeout_s).not_done:
                raise too_long(recipe, "baseline")
            check_baselines(baselines)
            turns = start_turns(recipe.run)
        first.mark("start")
        _write_agent_loop(recipe, parts, paths, first.name)
        runner: Any = ray.remote(TaskRunner).remote(
            first.name, str(paths.metrics), [_learning(part, seeds) for part in parts], turns
        )
        watch(recipe, paths, first, baselines, runner.run.remote(config), logs)
    finally:
        first.close()


def _learning(part: Part, seeds: range) -> Learning:
    recipe = part.recipe
    assert recipe.answer.prompt, "set when the recipe was read"
    return Learning(
        recipe.objective,
        recipe.signal,
        recipe.answer.max_answer_tokens,
        Store(recipe.store).url,
        recipe.run,
        tuple(seeds),
        recipe.prompts,
        recipe.entropy_hold,
        recipe.imitation,
        recipe.answer.prompt,
        recipe.executions,
        part.problem.name,
        weight=part.env.weight,
        comparable=bool(recipe.envs),
        unit=part.env.unit,
    )


def _write_agent_loop(
    recipe: TrainRecipe, parts: Sequence[Part], paths: RunPaths, executor: str
) -> None:
    loop = {
        "name": AGENT_LOOP,
        "_target_": "ideator_rl.rl.agent_loop.IdeaAgentLoop",
        "executor": executor,
        "runs": {part.problem.name: part.recipe.run for part in parts},
        "max_turns": recipe.answer.max_turns,
        "seed": recipe.seed,
        "deadline_s": recipe.grpo.deadline_s,
        "turns": recipe.run if recipe.by_turns else None,
    }
    paths.agent_loops.write_text(yaml.safe_dump([loop]))
