"""Where the trials of a training run, as its recipe says; opened in the executor's actor."""

from __future__ import annotations

import os
from functools import partial

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
from ideator_rl.rl.train_recipe import TrainRecipe


def open_workers(recipe: TrainRecipe) -> OpenWorkers | None:
    """What opens them, None for tasks of this Ray cluster. Raises UserError."""
    settings = recipe.executor.workers
    if recipe.by_turns:
        _check_one_machine()
        return partial(_slots_here, gpu_names())
    if isinstance(settings, PluginSettings):
        return partial(plugin_workers, settings)
    if isinstance(settings, StoreWorkersSettings):
        return partial(open_store_workers, Store(recipe.store).url, recipe.problem)
    return None


def _check_one_machine() -> None:
    import ray

    nodes = sum(node["Alive"] for node in ray.nodes())
    if nodes > 1:
        raise UserError(
            "executor.workers: local: trials and training take turns on one machine's GPUs; this "
            f"Ray cluster has {nodes} nodes: unset RAY_ADDRESS, or set executor.workers.kind to ray"
        )


def _slots_here(gpus: list[str], problem: Problem, level: Level, slots: int | None) -> Workers:
    """Slots of this machine; Ray hides the GPUs from the actor that opens them."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    needs = problem.file.resources
    slots = local_slots(slots, needs.cpus, needs.gpus)
    return LocalWorkers(slots, choose(level), needs.cpus, needs.gpus)
