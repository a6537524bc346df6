"""Launches a GRPO run: checks everything, starts Ray, the executors and verl, and watches them.

    model = train(read_train_recipe("recipes/digits/grpo/config_qwen3_tiny.yaml"))

The same recipe again goes on from the last checkpoint; the store has every trial that has finished.
A process of the run that dies costs a restart from there. One process launches, and stays: verl's
trainer has a single driver, and the processes that train are Ray's.
"""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from executor import Problem, Store
from executor.causes import keep_cause
from executor.errors import RunInUse, StoreError, UserError
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from executor.store.storage import Lock
from ideator_rl.analysis.metrics_file import METRICS
from ideator_rl.ideators.language_model.chat import chat_messages, style_prompt
from ideator_rl.ideators.language_model.model_folder import (
    AnswerDefaults,
    find_model,
    fingerprint,
    write_answer_defaults,
)
from ideator_rl.kept.recipe import check_recipe, keep_recipe
from ideator_rl.kept.weights import check_weights, keep_weights
from ideator_rl.open_implementer import open_implementer
from ideator_rl.rl.checkpoints import export, last_step, mend
from ideator_rl.rl.failures import RunFailed, WorkerDied
from ideator_rl.rl.hardware import (
    VERL_ON_CPU,
    check_hardware,
    check_memory,
    check_rollout,
)
from ideator_rl.rl.initial_model import examples_for, initial_model
from ideator_rl.rl.objectives.imitated_run import keep_examples
from ideator_rl.rl.parts import Part, check_parts, open_parts
from ideator_rl.rl.prompt_room import check_prompts
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe, run_paths
from ideator_rl.rl.verl_config import ray_resources, verl_config
from ideator_rl.run_parts import keep_part
from ideator_rl.terminal.terminal import warn

TRIES = 3
OPEN_S = 20.0
_WATCH_S = 1.0


def train(recipe: TrainRecipe) -> Path:
    """Runs all steps that are missing; returns the folder of the trained model.

    Raises UserError for what cannot be run as asked, RunFailed when a stage fails or hangs.
    """
    parts, paths = open_parts(recipe), run_paths(recipe)
    check_hardware(recipe)
    from executor.cluster.connect import check_address

    check_address(os.environ.get("RAY_ADDRESS"))
    os.environ.update(_environment(recipe))
    # verl's warnings on engines that are not used.
    warnings.filterwarnings("ignore", module="verl")
    check_parts(recipe, parts)
    run = Store(recipe.store).run(recipe.run)
    check_recipe(run.recipe(), recipe)
    for part in parts:
        own = run.beside(part.recipe.run)
        # Where a key or a package is missing, this says so before anything starts.
        open_implementer(part.recipe.implementer, part.problem, own, base_key=recipe.base_key)
        check_recipe(own.recipe(), part.recipe)
    _mend_alone([run.beside(part.recipe.run) for part in parts], paths)
    try:
        _train(recipe, parts, paths, run)
        return _export(recipe, paths)
    except Exception as error:
        keep_cause(error, run)
        # A bucket keeps what is appended back; a store that is away is often the very error.
        with suppress(StoreError):
            run.flush()
        raise


def _train(recipe: TrainRecipe, parts: Sequence[Part], paths: RunPaths, run: RunFolder) -> None:
    """The steps that are missing."""
    done = last_step(paths.checkpoints) or 0
    if done >= recipe.steps or _executed_enough(recipe, parts, done):
        return
    examples = examples_for(recipe, parts, run)
    begin = f"goes on after step {done}" if done else "begins"
    warn(
        f"GRPO on {', '.join(part.problem.name for part in parts)}: {recipe.steps} steps, run "
        f"{recipe.run} in {recipe.store} {begin}; a minute or more goes by before the next line, "
        "while verl starts"
    )
    initial = initial_model(recipe)
    folder = find_model(initial)
    check_memory(recipe.profile, folder)
    weights = {initial: fingerprint(folder)}
    check_weights(run, weights)
    for part in parts:
        if no_room := check_prompts(recipe, part.problem, folder):
            warn(no_room)
    # The trainer asks each group what its own problem asks.
    config = configure(recipe, parts[0].problem, paths, initial)
    check_rollout(config.actor_rollout_ref.rollout.name)
    keep_recipe(run, recipe)
    for name, found in examples.items():
        keep_examples(run.beside(name), found)
    keep_weights(run, weights)
    for part in parts if recipe.envs else ():
        own = run.beside(part.recipe.run)
        keep_recipe(own, part.recipe)
        keep_part(run, own)
    try:
        _with_restarts(recipe, parts, paths, config, run)
    finally:
        _publish_metrics(run, paths)


def _executed_enough(recipe: TrainRecipe, parts: Sequence[Part], done: int) -> bool:
    """Whether the steps that are done have run as many codebases as the recipe allows."""
    if recipe.executions is None:
        return False
    from ideator_rl.rl.objectives.step import executed_by, first_steps

    ran = (executed_by(done, first_steps(recipe.store, part.recipe.run)) for part in parts)
    return sum(ran) >= recipe.executions


def _export(recipe: TrainRecipe, paths: RunPaths) -> Path:
    """The trained model as an ordinary checkpoint folder."""
    model = export(paths.checkpoints, paths.model)
    asked = recipe.answer
    write_answer_defaults(model, AnswerDefaults(asked.prompt, asked.max_answer_tokens))
    return model


def _mend_alone(runs: Sequence[RunFolder], paths: RunPaths) -> None:
    """Repairs the checkpoints while nobody executes these runs. Raises RunInUse."""
    deadline = time.monotonic() + OPEN_S
    with ExitStack() as held:
        for run in runs:
            held.callback(_locked(run, deadline).release)
        paths.checkpoints.mkdir(parents=True, exist_ok=True)
        mend(paths.checkpoints)


def _locked(run: RunFolder, deadline: float) -> Lock:
    while True:
        try:
            return run.lock()
        except RunInUse:
            # The executor of a driver that was killed may hold the run for some seconds still.
            if time.monotonic() > deadline:
                raise
            time.sleep(_WATCH_S)


def _publish_metrics(run: RunFolder, paths: RunPaths) -> None:
    """Puts the figures of the steps into a store in a bucket, where reports look for them."""
    if "://" in run.url and paths.metrics.is_file():
        open_storage(run.url).write(METRICS, paths.metrics.read_bytes())


def configure(recipe: TrainRecipe, problem: Problem, paths: RunPaths, model: str) -> Any:
    """verl's configuration, checked by verl itself, and the files that it names."""
    from pyarrow import Table, parquet
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    assert recipe.answer.prompt, "set when the recipe was read"
    prompt = chat_messages(style_prompt(problem, recipe.answer.prompt))
    rows = [
        {
            "prompt": prompt,
            "data_source": problem.name,
            "ability": "research",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"index": index},
        }
        # As many as are asked at a time.
        for index in range(recipe.grpo.groups * (1 + recipe.grpo.staleness))
    ]
    parquet.write_table(Table.from_pylist(rows), paths.prompts)
    config = verl_config(recipe, paths, model)
    try:
        with redirect_stdout(io.StringIO()):
            validate_config(config, need_reference_policy(config), need_critic(config))
    except (ValueError, AssertionError, TypeError) as error:
        raise UserError(f"verl: {' '.join(str(error).split())}") from None
    return config


def _with_restarts(
    recipe: TrainRecipe, parts: Sequence[Part], paths: RunPaths, config: Any, run: RunFolder
) -> None:
    for attempt in range(1, TRIES + 1):
        before = last_step(paths.checkpoints)
        try:
            with _ray(recipe, config) as logs:
                # Imported here: verl is loaded with it.
                from ideator_rl.rl.attempt import train_to_the_end

                train_to_the_end(recipe, parts, paths, config, logs)
            return
        except WorkerDied as error:
            if attempt == TRIES:
                raise RunFailed(f"{error}; gave up after {TRIES} tries") from None
            keep_cause(error, run)
            mend(paths.checkpoints)
            warn(f"{error}; going on after step {before or 0}")


@contextmanager
def _ray(recipe: TrainRecipe, config: Any) -> Iterator[Path]:
    """This process's Ray, the cluster that RAY_ADDRESS names or else one of its own; yields the
    folder of its logs."""
    from verl.trainer.constants_ppo import get_ppo_ray_runtime_env

    from executor.cluster.connect import connected

    runtime_env = get_ppo_ray_runtime_env(config)
    runtime_env["env_vars"] |= _environment(recipe)
    with connected(runtime_env, ray_resources(recipe.profile)) as context:
        yield Path(context.address_info["session_dir"]) / "logs"


def _environment(recipe: TrainRecipe) -> dict[str, str]:
    """What every process of the run needs to find; W&B's own run goes on when a run is resumed."""
    found = {"WANDB_RUN_ID": recipe.run, "WANDB_RESUME": "allow", "VERL_LOGGING_LEVEL": "WARNING"}
    if recipe.profile == "cpu":
        found |= VERL_ON_CPU
    return found
