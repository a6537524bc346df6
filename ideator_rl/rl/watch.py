"""Watches a GRPO run that verl executes on Ray: shows its steps, and ends what hangs.

watch(recipe, paths, executor, baselines, done=runner.run.remote(config), logs=logs)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from executor import Outcome, Problem
from executor.cluster.remote import RemoteExecutor
from executor.errors import ExecutorLost, UserError
from executor.text.outside_text import clean_line
from executor.trial.log_tail import LONGEST_REASON, last_line
from ideator_rl.rl.failures import RunFailed, WorkerDied
from ideator_rl.rl.progress import StepLines
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe

_WATCH_S = 1.0


def watch(
    recipe: TrainRecipe,
    paths: RunPaths,
    executor: RemoteExecutor,
    baselines: Sequence[Future[Outcome]],
    done: Any,
    logs: Path,
) -> None:
    """Shows steps until `done`, verl's end, is there; ends what hangs or cannot succeed."""
    lines = StepLines(paths.metrics, recipe.steps)
    try:
        while not ray.wait([done], timeout=_WATCH_S)[0]:
            lines.show()
            check_baselines(executor.problem, baselines)
            if why := executor.failure():
                raise RunFailed(
                    f"{why}; once that is mended, the same command goes on from the last checkpoint"
                )
            stage, since = executor.stage()
            if time.time() - since > recipe.stage_timeout_s:
                raise too_long(recipe, stage)
        ray.get(done)
    except (RayActorError, ExecutorLost) as error:
        raise WorkerDied(f"a process of the run died: {_last_line(error)}") from None
    except RayTaskError as error:
        if isinstance(error.cause, (RayActorError, ExecutorLost)):
            raise WorkerDied(f"a process of the run died: {_last_line(error.cause)}") from None
        if isinstance(error.cause, UserError):
            raise RunFailed(
                f"{error.cause}; once that is mended, the same command goes on from the last "
                "checkpoint"
            ) from None
        raise RunFailed(f"verl ended with {_last_line(error)}; its logs are in {logs}") from None
    finally:
        lines.show()


def too_long(recipe: TrainRecipe, stage: str) -> RunFailed:
    """The error of a stage that does not end."""
    return RunFailed(
        f"the stage `{stage}` did not end within {recipe.stage_timeout_s:g} s "
        "(stage_timeout_s); the same command goes on from the last checkpoint"
    )


def check_baselines(problem: Problem, baselines: Sequence[Future[Outcome]]) -> None:
    """Raises RunFailed where one has ended without a reward."""
    for future in baselines:
        if future.done() and not (outcome := future.result()).completed:
            why = clean_line(outcome.detail, LONGEST_REASON)
            raise RunFailed(
                f"the baseline of {problem.name} did not complete ({outcome.status}: {why}); run: "
                f"ideator-rl envs check {problem.name}"
            )


def _last_line(error: BaseException) -> str:
    return last_line(str(error)) or type(error).__name__
