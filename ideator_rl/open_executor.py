"""Opens the executor that a recipe describes: who writes the code, and where trials run.

    with open_executor(recipe, problem, seed=recipe.seed, max_ideas=24) as executor:
        executor.slots

Searches, evaluations and `ideator-rl execute` open theirs here. Training has its own in an actor of
Ray's, see `executor/cluster/remote.py`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from executor import Executor, Problem, Store
from executor.errors import UserError
from executor.sandbox import Level, Sandbox, choose
from executor.scheduler import Workers
from ideator_rl.open_implementer import open_implementer
from ideator_rl.plugins.plugins import PluginSettings, open_plugin
from ideator_rl.recipe.recipe import ExecutingRecipe
from ideator_rl.recipe.sections import RayWorkersSettings, StoreWorkersSettings


@contextmanager
def open_executor(
    recipe: ExecutingRecipe,
    problem: Problem,
    *,
    seed: int,
    max_ideas: int | None = None,
    max_seconds: float | None = None,
) -> Iterator[Executor]:
    """Opens an executor and closes it, with the Ray cluster that was started for it.

    Args:
        recipe: names implementer, workers, sandbox, slots, store and run.
        problem: what the ideas are about.
        seed: the seed of trials, see `Executor`.
        max_ideas: ideas the run may hold, see `Executor`.
        max_seconds: wall time of the run, see `Executor`.

    Raises:
        UserError: a key, a package, a cluster or a sandbox is missing, and what `Executor` raises.
    """
    settings, kept = recipe.executor, Store(recipe.store).run(recipe.run)
    implementer = open_implementer(recipe.implementer, problem, kept, base_key=recipe.base_key)
    with ExitStack() as opened:
        workers: Workers | None = None
        if isinstance(settings.workers, RayWorkersSettings):
            workers = _ray_workers(opened, problem, recipe.sandbox, settings.slots)
        elif isinstance(settings.workers, StoreWorkersSettings):
            workers = _store_workers(recipe, problem)
        elif isinstance(settings.workers, PluginSettings):
            workers = plugin_workers(settings.workers, problem, recipe.sandbox, settings.slots)
        yield opened.enter_context(
            Executor(
                problem,
                store=recipe.store,
                run=recipe.run,
                slots=settings.slots,
                implementer=implementer,
                workers=workers,
                sandbox=recipe.sandbox,
                seed=seed,
                period_s=settings.period_s,
                max_ideas=max_ideas,
                max_seconds=max_seconds,
            )
        )


def _ray_workers(opened: ExitStack, problem: Problem, sandbox: Level, slots: int | None) -> Workers:
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "executor.workers: ray needs the extra rl-cpu (no GPU) or rl (GPU): "
            "pip install 'ideator-rl[rl-cpu]'"
        )
    # Imported here: local trials do without.
    from executor.cluster.connect import connected
    from executor.cluster.workers import RayWorkers

    opened.enter_context(connected())
    return RayWorkers(problem, choose(sandbox), slots)


def plugin_workers(
    settings: PluginSettings, problem: Problem, sandbox: Level, slots: int | None
) -> Workers:
    """The workers of another package. Raises UserError."""
    where = "executor.workers"
    workers = open_plugin("workers", where, settings, problem, choose(sandbox), slots)
    if not (isinstance(workers.slots, int) and isinstance(workers.sandbox, Sandbox)):
        raise UserError(
            f"{where}.name: {settings.name}: `slots` has to be a number, and `sandbox` a Sandbox"
        )
    return workers


def _store_workers(recipe: ExecutingRecipe, problem: Problem) -> Workers:
    from executor.queue.workers import open_store_workers

    slots = recipe.executor.slots
    return open_store_workers(recipe.store, recipe.problem, problem, recipe.sandbox, slots)
