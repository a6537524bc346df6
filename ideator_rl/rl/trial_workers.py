"""Where the trials of a training run, as its recipe says; opened in the executors' actor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, partial

from executor import Problem, Store
from executor.cluster.actor import OpenWorkers
from executor.errors import UserError
from executor.queue.workers import open_store_workers
from executor.sandbox import Level, choose
from executor.sandbox.visible import gpu_names
from executor.scheduler import Workers
from executor.workers.local import LocalWorkers, local_slots
from ideator_rl.open_executor import plugin_workers
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.sections import StoreWorkersSettings
from ideator_rl.rl.parts import Part, most_needed
from ideator_rl.rl.train_recipe import TrainRecipe


def open_workers(recipe: TrainRecipe, parts: Sequence[Part]) -> list[OpenWorkers | None]:
    """What opens those of each problem, None for tasks of this Ray cluster. Raises UserError."""
    settings = recipe.executor.workers
    if recipe.by_turns:
        _check_one_machine()
        return [partial(_slots_here, tuple(gpu_names()), *most_needed(parts)) for _ in parts]
    if isinstance(settings, PluginSettings):
        return [partial(plugin_workers, settings) for _ in parts]
    if isinstance(settings, StoreWorkersSettings):
        url = Store(recipe.store).url
        return [partial(open_store_workers, url, part.recipe.problem) for part in parts]
    return [None for _ in parts]


def _check_one_machine() -> None:
    import ray

    nodes = sum(node["Alive"] for node in ray.nodes())
    if nodes > 1:
        raise UserError(
            "executor.workers: local: trials and training take turns on one machine's GPUs; this "
            f"Ray cluster has {nodes} nodes: unset RAY_ADDRESS, or set executor.workers.kind to ray"
        )


def _slots_here(
    names: tuple[str, ...], cpus: int, gpus: int, problem: Problem, level: Level, slots: int | None
) -> Workers:
    """Slots of this machine; Ray hides the GPUs from the actor that opens them."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    return _slots(cpus, gpus, level, slots)


@cache
def _slots(cpus: int, gpus: int, level: Level, slots: int | None) -> Workers:
    """The same for all problems of the actor: each slot has cores and GPUs for any of them."""
    return LocalWorkers(local_slots(slots, cpus, gpus), choose(level), cpus, gpus)
