"""Watches a GRPO run that verl executes on Ray: shows its steps, and ends what hangs.

watch(recipe, paths, executor, baselines, done=runner.run.remote(config), logs=logs)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayActorError, RayTaskError

from executor import Outcome
from executor.cluster.remote import RemoteExecutor
from executor.errors import ExecutorLost, UserError
from executor.text.outside_text import clean_line
from executor.trial.log_tail import LONGEST_REASON, last_line
from ideator_rl.rl.failures import RunFailed, WorkerDied
from ideator_rl.rl.objectives.comparable import unit_of
from ideator_rl.rl.parts import Part
from ideator_rl.rl.progress import StepLines
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe

_WATCH_S = 1.0


class Baselines(NamedTuple):
    """Those of one problem of a training, one a seed."""

    part: Part
    futures: Sequence[Future[Outcome]]


def watch(
    recipe: TrainRecipe,
    paths: RunPaths,
    executor: RemoteExecutor,
    baselines: Sequence[Baselines],
    done: Any,
    logs: Path,
) -> None:
    """Shows steps until `done`, verl's end, is there; ends what hangs or cannot succeed."""
    lines = StepLines(paths.metrics, recipe.steps)
    try:
        while not ray.wait([done], timeout=_WATCH_S)[0]:
            lines.show()
            check_baselines(baselines)
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


def check_baselines(baselines: Sequence[Baselines]) -> None:
    """Raises RunFailed where one has ended without a reward, or where those of one of several
    problems give no unit for rewards."""
    for part, futures in baselines:
        ended = [future.result() for future in futures if future.done()]
        for outcome in ended:
            if not outcome.completed:
                why = clean_line(outcome.detail, LONGEST_REASON)
                raise RunFailed(
                    f"the baseline of {part.problem.name} did not complete ({outcome.status}: "
                    f"{why}); run: ideator-rl envs check {part.problem.name}"
                )
        if part.recipe.envs and len(ended) == len(futures):
            try:
                unit_of(part.problem.name, [one.reward for one in ended], part.env.unit)
            except UserError as error:
                raise RunFailed(str(error)) from None


def _last_line(error: BaseException) -> str:
    return last_line(str(error)) or type(error).__name__
