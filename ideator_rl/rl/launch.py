"""Launches a GRPO run: checks everything, starts Ray, the executor and verl, and watches them.

    model = train(read_train_recipe("recipes/digits/grpo/config_qwen3_tiny.yaml"))

The same recipe again goes on from the last checkpoint; the executor's store has every trial that
has finished. A process of the run that dies costs a restart from there. One process launches, and
stays: verl's trainer has a single driver, and the processes that train are Ray's.
"""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from executor import Problem, Store
from executor.causes import keep_cause
from executor.errors import RunInUse, StoreError, UserError
from executor.store.open import open_storage
from executor.store.runs import RunFolder
from gym_envs import find_problem
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
from ideator_rl.rl.prompt_room import check_prompts
from ideator_rl.rl.train_recipe import RunPaths, TrainRecipe, run_paths
from ideator_rl.rl.verl_config import AGENT_LOOP, ray_resources, verl_config
from ideator_rl.terminal.terminal import warn

TRIES = 3
OPEN_S = 20.0
_WATCH_S = 1.0


def train(recipe: TrainRecipe) -> Path:
    """Runs all steps that are missing; returns the folder of the trained model.

    Raises UserError for what cannot be run as asked, RunFailed when a stage fails or hangs.
    """
    problem, paths = find_problem(recipe.env, recipe.problem), run_paths(recipe)
    check_hardware(recipe)
    from executor.cluster.connect import check_address

    check_address(os.environ.get("RAY_ADDRESS"))
    os.environ.update(_environment(recipe))
    # verl's warnings on engines that are not used.
    warnings.filterwarnings("ignore", module="verl")
    run = Store(recipe.store).run(recipe.run)
    # Where a key or a package is missing, this says so before anything starts.
    open_implementer(recipe.implementer, problem, run)
    check_recipe(run.recipe(), recipe)
    _mend_alone(run, paths)
    try:
        _train(recipe, problem, paths, run)
        return _export(recipe, paths)
    except Exception as error:
        keep_cause(error, run)
        # A bucket keeps what is appended back; a store that is away is often the very error.
        with suppress(StoreError):
            run.flush()
        raise


def _train(recipe: TrainRecipe, problem: Problem, paths: RunPaths, run: RunFolder) -> None:
    """The steps that are missing."""
    done = last_step(paths.checkpoints) or 0
    if done >= recipe.steps or _executed_enough(recipe, done):
        return
    examples = examples_for(recipe, problem, run)
    begin = f"goes on after step {done}" if done else "begins"
    warn(
        f"GRPO on {problem.name}: {recipe.steps} steps, run {recipe.run} in {recipe.store} "
        f"{begin}; a minute or more goes by before the next line, while verl starts"
    )
    initial = initial_model(recipe)
    folder = find_model(initial)
    check_memory(recipe.profile, folder)
    weights = {initial: fingerprint(folder)}
    check_weights(run, weights)
    if no_room := check_prompts(recipe, problem, folder):
        warn(no_room)
    config = configure(recipe, problem, paths, initial)
    check_rollout(config.actor_rollout_ref.rollout.name)
    keep_recipe(run, recipe)
    if examples:
        keep_examples(run, examples)
    keep_weights(run, weights)
    try:
        _with_restarts(recipe, problem, paths, config, run)
    finally:
        _publish_metrics(run, paths)


def _executed_enough(recipe: TrainRecipe, done: int) -> bool:
    """Whether the steps that are done have run as many codebases as the recipe allows."""
    if recipe.executions is None:
        return False
    from ideator_rl.rl.objectives.step import executed_by, first_steps

    return executed_by(done, first_steps(recipe.store, recipe.run)) >= recipe.executions


def _export(recipe: TrainRecipe, paths: RunPaths) -> Path:
    """The trained model as an ordinary checkpoint folder."""
    model = export(paths.checkpoints, paths.model)
    asked = recipe.answer
    write_answer_defaults(model, AnswerDefaults(asked.prompt, asked.max_answer_tokens))
    return model


def _mend_alone(run: RunFolder, paths: RunPaths) -> None:
    """Repairs the checkpoints while no process writes them. Raises RunInUse."""
    deadline = time.monotonic() + OPEN_S
    while True:
        try:
            lock = run.lock()
            break
        except RunInUse:
            # The executor of a driver that was killed may hold the run for some seconds still.
            if time.monotonic() > deadline:
                raise
            time.sleep(_WATCH_S)
    try:
        paths.checkpoints.mkdir(parents=True, exist_ok=True)
        mend(paths.checkpoints)
    finally:
        lock.release()


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
    recipe: TrainRecipe, problem: Problem, paths: RunPaths, config: Any, run: RunFolder
) -> None:
    for attempt in range(1, TRIES + 1):
        before = last_step(paths.checkpoints)
        try:
            with _ray(recipe, config) as logs:
                _run(recipe, problem, paths, config, logs)
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


def _run(recipe: TrainRecipe, problem: Problem, paths: RunPaths, config: Any, logs: Path) -> None:
    """One attempt to train until the last step. Raises WorkerDied, RunFailed."""
    import ray

    from executor.cluster.remote import start_executor
    from ideator_rl.rl.objectives.step import Learning
    from ideator_rl.rl.trainer import TaskRunner
    from ideator_rl.rl.trial_workers import open_workers
    from ideator_rl.rl.turns import start_turns
    from ideator_rl.rl.watch import check_baselines, too_long, watch

    settings = recipe.executor
    executor = start_executor(
        problem,
        store=recipe.store,
        run=recipe.run,
        slots=settings.slots,
        sandbox=recipe.sandbox,
        seed=recipe.seed,
        period_s=settings.period_s,
        implementer=partial(open_implementer, recipe.implementer),
        workers=open_workers(recipe),
    )
    try:
        seeds = range(recipe.seed, recipe.seed + settings.baseline_seeds)
        baselines = [executor.submit_baseline(seed) for seed in seeds]
        turns = None
        if recipe.by_turns:
            # The model is loaded when they have ended: it would have their GPUs.
            if wait(baselines, recipe.stage_timeout_s).not_done:
                raise too_long(recipe, "baseline")
            check_baselines(problem, baselines)
            turns = start_turns(recipe.run)
        executor.mark("start")
        _write_agent_loop(recipe, paths, executor.name)
        learning = Learning(
            recipe.objective,
            recipe.signal,
            recipe.answer.max_answer_tokens,
            Store(recipe.store).url,
            recipe.run,
            tuple(seeds),
            recipe.prompts,
            recipe.entropy_hold,
            recipe.imitation,
            style_prompt(problem, recipe.answer.prompt or "full"),
            recipe.executions,
        )
        runner: Any = ray.remote(TaskRunner).remote(
            executor.name, str(paths.metrics), learning, turns
        )
        watch(recipe, paths, executor, baselines, runner.run.remote(config), logs)
    finally:
        executor.close()


def _write_agent_loop(recipe: TrainRecipe, paths: RunPaths, executor: str) -> None:
    loop = {
        "name": AGENT_LOOP,
        "_target_": "ideator_rl.rl.agent_loop.IdeaAgentLoop",
        "executor": executor,
        "max_turns": recipe.answer.max_turns,
        "seed": recipe.seed,
        "deadline_s": recipe.grpo.deadline_s,
        "turns": recipe.run if recipe.by_turns else None,
    }
    paths.agent_loops.write_text(yaml.safe_dump([loop]))
