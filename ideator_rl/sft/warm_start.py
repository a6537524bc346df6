"""The warm start: supervised fine-tuning that teaches a model to write ideas in the right form.

    accelerate launch -m ideator_rl.sft.warm_start --config RECIPE     # recipes/digits/sft/*.yaml

Every key of the recipe can be set on the command line: --seed 1 --training.steps 200. Any number of
processes, on CPUs or GPUs, takes the same steps; without `accelerate launch` there is one. Kill it
at any moment: the same command goes on from the last checkpoint, with the answers that it would
have read then. What it makes is `<store>/runs/<run>/model`, a checkpoint folder.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from executor.errors import UserError
from executor.processes.processes import die_with_parent
from executor.store.runs import Store
from ideator_rl.analysis.metrics_file import append_step
from ideator_rl.ideators.language_model.chat import chat_messages
from ideator_rl.ideators.language_model.model_folder import AnswerDefaults, write_answer_defaults
from ideator_rl.kept.recipe import keep_recipe
from ideator_rl.open_problems import open_problems
from ideator_rl.recipe.overrides import parse_overrides
from ideator_rl.sft.answer_batch import Row, Task, summed_loss
from ideator_rl.sft.lessons import (
    Lessons,
    check_libraries,
    find_earlier_ideas,
    keep_earlier_ideas,
    read_lessons,
)
from ideator_rl.sft.recipe import (
    TrainingSettings,
    WarmStartRecipe,
    read_warm_start_recipe,
    run_folder,
)
from ideator_rl.sft.start_model import check_start, find_start, make_start
from ideator_rl.terminal.exits import Parser, exit_with
from ideator_rl.terminal.terminal import warn
from ideator_rl.tracking import NoTracker, open_tracker

if TYPE_CHECKING:
    from accelerate import Accelerator


def warm_start(recipe: WarmStartRecipe) -> Path:
    """Trains what is missing of the recipe's steps; returns the folder of the model.

    Raises UserError, before anything is trained, for what cannot be done as asked.
    """
    problems = open_problems(recipe.problems)
    check_libraries(recipe, problems)
    folder = run_folder(recipe)
    store = Store(recipe.store)
    run = store.run(recipe.run)
    if (folder / "model").exists():
        keep_recipe(run, recipe)
        _clear(folder)
        _say(f"the run {recipe.run} has finished: {folder / 'model'}")
        return folder / "model"
    check_start(recipe.model)

    import torch
    from accelerate import Accelerator
    from transformers.utils import logging

    logging.disable_progress_bar()
    accelerator = Accelerator(cpu=not torch.accelerator.is_available())
    if recipe.training.batch_size % accelerator.num_processes:
        raise UserError(
            f"training.batch_size: {recipe.training.batch_size} answers cannot be dealt out evenly "
            f"to {accelerator.num_processes} processes"
        )
    lock = run.lock() if accelerator.is_main_process else None
    try:
        # What is drawn or built once is kept for the other processes, and for a resumed run.
        if accelerator.is_main_process:
            found = find_earlier_ideas(recipe, problems, store, folder)
            keep_recipe(run, recipe)
            keep_earlier_ideas(found)
            make_start(recipe, read_lessons(recipe, problems, folder), folder / "start")
        accelerator.wait_for_everyone()
        _train(accelerator, recipe, read_lessons(recipe, problems, folder), folder)
        # The caller may need the device's memory next.
        accelerator.free_memory()
        accelerator.end_training()
    finally:
        if lock is not None:
            lock.release()
    return folder / "model"


def _train(
    accelerator: Accelerator,
    recipe: WarmStartRecipe,
    lessons: Lessons,
    folder: Path,
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings, running = recipe.training, recipe.running

    # The model and its tasks.
    start = find_start(recipe.model, folder / "start")
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = AutoModelForCausalLM.from_pretrained(start, dtype=getattr(torch, recipe.model.dtype))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    tasks = {
        lesson.problem: Task(tokenizer, chat_messages(lesson.prompt), settings.max_tokens)
        for lesson in lessons.each
    }
    pad = next(iter(tasks.values())).pad

    def row_of(index: int) -> Row:
        lesson = lessons.of(index)
        task = tasks[lesson.problem]
        return Row(task.prompt, task.row(lesson.sources, recipe.seed, index))

    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=settings.weight_decay,
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    model.train()

    # Where an earlier session ended.
    first = _resume(accelerator, folder / "checkpoints")
    _say(
        f"warm start on {', '.join(tasks)}: {settings.steps} steps of {settings.batch_size} "
        f"answers, from {sum(len(lesson.sources.atoms) for lesson in lessons.each)} library ideas "
        f"and {sum(len(lesson.sources.earlier) for lesson in lessons.each)} earlier ones; "
        f"{parameters / 1e6:.2f} million parameters, {accelerator.num_processes} x "
        f"{accelerator.device.type}; run {recipe.run} in {recipe.store}"
        + (f", going on after step {first}" if first else ""),
    )
    is_main = accelerator.is_main_process
    tracker = open_tracker(recipe, recipe.tracking) if is_main else NoTracker()

    for step in range(first, settings.steps):
        began = time.monotonic()
        rate = learning_rate(settings, step)
        for group in optimizer.param_groups:
            group["lr"] = rate

        # The batch is the same for any number of processes; neighbours in length share a part.
        indices = range(step * settings.batch_size, (step + 1) * settings.batch_size)
        rows = sorted(map(row_of, indices), key=lambda row: len(row.prompt) + len(row.answer))
        tokens = sum(len(row.answer) for row in rows)
        mine = rows[accelerator.process_index :: accelerator.num_processes]
        size = running.micro_batch
        parts = [mine[begin : begin + size] for begin in range(0, len(mine), size)]
        accelerator.gradient_accumulation_steps = len(parts)
        accelerator.step = 0
        loss = torch.zeros((), device=accelerator.device)
        for part in parts:
            with accelerator.accumulate(model):
                part_loss = summed_loss(model, pad, part) / tokens
                # accelerate divides by the parts, and averages over the processes: undone here, so
                # that the gradient is that of the mean over the whole batch.
                accelerator.backward(part_loss * len(parts) * accelerator.num_processes)
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(model.parameters(), settings.clip)
                optimizer.step()
                optimizer.zero_grad()
            loss += part_loss.detach()
        loss = accelerator.reduce(loss)

        done = step + 1
        figures = {
            "loss": loss.item(),
            "learning_rate": rate,
            "grad_norm": float(norm),
            "tokens": tokens,
            "time/step": time.monotonic() - began,
        }
        if is_main:
            append_step(folder / "metrics.jsonl", done, figures)
            tracker.log(figures, step=done)
        if done % running.log_every == 0 or done in (1, settings.steps):
            _say(
                f"step {done}/{settings.steps}  loss {figures['loss']:.4f}  "
                f"learning rate {rate:.2e}  {figures['time/step']:.2f} s",
            )
        if done % running.checkpoint_every == 0 and done < settings.steps:
            _checkpoint(accelerator, folder / "checkpoints", done)

    # The checkpoint folder appears whole or not at all.
    weights = accelerator.get_state_dict(model)
    if is_main:
        fresh = folder / ".model"
        shutil.rmtree(fresh, ignore_errors=True)
        accelerator.unwrap_model(model).save_pretrained(fresh, state_dict=weights)
        tokenizer.save_pretrained(fresh)
        room = settings.max_tokens - max(len(task.prompt) for task in tasks.values())
        write_answer_defaults(fresh, AnswerDefaults(recipe.data.prompt, room))
        fresh.rename(folder / "model")
        _say(f"the model is {folder / 'model'}")
        _clear(folder)
    tracker.finish()
    accelerator.wait_for_everyone()


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """The learning rate of a step, the first being 0."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    progress = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    fall = {
        "cosine": 0.5 * (1 - math.cos(math.pi * progress)),
        "linear": progress,
        "constant": 0.0,
    }[settings.schedule]
    return settings.learning_rate * (1 - (1 - settings.final) * fall)


def _checkpoint(accelerator: Accelerator, folder: Path, step: int) -> None:
    """Puts a whole checkpoint in place, then removes the one before."""
    fresh = folder / ".fresh"
    if accelerator.is_main_process:
        shutil.rmtree(fresh, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(fresh), safe_serialization=False)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        older = list(folder.glob("step-*"))
        fresh.rename(folder / f"step-{step:06d}")
        for path in older:
            shutil.rmtree(path)


def _resume(accelerator: Accelerator, folder: Path) -> int:
    """Loads the last checkpoint; returns how many steps it has seen, 0 where there is none."""
    last = max(folder.glob("step-*"), default=None)
    if last is None:
        return 0
    accelerator.load_state(str(last))
    return int(last.name.removeprefix("step-"))


def _clear(folder: Path) -> None:
    """Removes files that are not needed once the model exists."""
    for name in ("start", "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _say(line: str) -> None:
    """Prints on the main process only."""
    if _rank() == 0:
        warn(line)


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Reads the command line, trains, and exits with 0, or with 2 and one line on what to mend."""
    parser = Parser(
        prog="python -m ideator_rl.sft.warm_start",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="RECIPE", help="a YAML recipe")
    args, rest = parser.parse_known_args(argv)
    if "ACCELERATE_MIXED_PRECISION" in os.environ:
        # If the launcher is killed, no process may go on writing.
        die_with_parent(os.getppid())

    def job() -> int:
        try:
            warm_start(read_warm_start_recipe(args.config, parse_overrides(rest)))
        except UserError:
            if _rank() == 0:
                raise
            return 2  # The first process says why.
        return 0

    exit_with(job)


if __name__ == "__main__":
    main()
