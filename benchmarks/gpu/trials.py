"""One trial of a problem, run as a search runs it: in a slot process, locked in, examined.

    problem = small(load_problem(…), at)
    trial = run(at, spec_of(at, problem, data, changes), "examination")

Its log is kept among the results however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from executor.data.prepared import PreparedData
from executor.outcomes import trial_spec
from executor.problem.problem import Problem, load_problem
from executor.records import Job, Trial
from executor.text.outside_text import clean_line
from executor.trial.spec import TrialSpec
from executor.workers.local import LocalWorkers

from gpu.setting import PROBLEMS, Setting

# Seconds that a slot gets beyond a trial's own limits, to end it and to tell how.
_GRACE_S = 15
_TINY_MODEL = {
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 64,
    "block_size": 64,
    "vocab_size": 512,
    "batch_size": 8,
    "micro_batch_size": 4,
    "warmup_steps": 8,
    "dtype": "float32",
    "compile": False,
}


def nanogpt(at: Setting, **hyperparameters: object) -> Problem:
    """`nanogpt-1gpu`, with parts of a step that fit the card."""
    sizes: dict[str, object] = dict(_TINY_MODEL) if at.tiny else {}
    if at.cuda and not at.tiny and at.memory_gb < 60:
        sizes["micro_batch_size"] = 8
    return _load(at, "nanogpt/problem-1gpu.toml", sizes | hyperparameters)


def grpo(at: Setting, **hyperparameters: object) -> Problem:
    return _load(at, "grpo/problem.toml", hyperparameters)


def _load(at: Setting, path: str, hyperparameters: Mapping[str, object]) -> Problem:
    overrides = {f"hyperparameters.{name}": value for name, value in hyperparameters.items()}
    overrides |= {"resources.gpus": at.gpus, "resources.cpus": min(8, at.cores)}
    if at.tiny:
        overrides |= {"resources.memory_gb": 4.0, "resources.disk_gb": 1.0}
    return load_problem(PROBLEMS / path, overrides)


def changed(text: str, changes: Mapping[str, str]) -> str:
    """A text with each of the passages, which stand there once, replaced."""
    for old, new in changes.items():
        if text.count(old) != 1:
            raise RuntimeError(f"the codebase has changed; not there once: {old.strip()!r}")
        text = text.replace(old, new)
    return text


def spec_of(
    at: Setting, problem: Problem, data: PreparedData, files: Mapping[str, str], seconds: float
) -> TrialSpec:
    """The order for one trial: the codebase with `files` over it, `seconds` for its training."""
    spec = trial_spec(problem, data, {**problem.codebase, **files}, seed=0)
    seconds = max(1.0, seconds)
    return replace(
        spec,
        # Where the machine has other work, a short time on the wall is hardly any.
        budget_kind="cpu" if at.tiny else "wall",
        budget_seconds=seconds,
        wall_limit=max(seconds, at.left()) if at.tiny else seconds,
        startup_seconds=max(10.0, at.left()),
        examine_seconds=max(10.0, at.left()),
    )


def without_examination(spec: TrialSpec, folder: Path) -> TrialSpec:
    """The same order, but nothing is asked of what training leaves."""
    evaluate = folder / "evaluate_nothing.py"
    evaluate.write_text("def examine(candidate, held_out):\n    return {'trained': 1.0}\n")
    return replace(spec, evaluate=str(evaluate), candidate=[], held_out=None)


def run(at: Setting, spec: TrialSpec, name: str) -> Trial:
    """Runs a trial in a slot of its own. Raises RuntimeError where it does not end in time."""
    trial = asyncio.run(_play(at, spec))
    at.log(name, f"{trial.log}\n----- examination\n{trial.exam_log}\n{trial.detail}\n")
    return trial


def expect(trial: Trial, name: str) -> None:
    """Raises RuntimeError, in one line, unless a trial was completed."""
    if trial.status != "completed":
        reason = clean_line(trial.detail, 300)
        raise RuntimeError(f"{trial.status} in {trial.stage}: {reason} (logs/{name}.log)")


async def _play(at: Setting, spec: TrialSpec) -> Trial:
    workers = LocalWorkers(1, at.sandbox, spec.cpus, spec.gpus)
    limit = max(1.0, at.left()) + _GRACE_S
    try:
        return await asyncio.wait_for(workers.run(Job("gpu", "gpu"), spec), limit)
    except TimeoutError:
        raise RuntimeError(f"the trial did not end within {limit:.0f} s") from None
    finally:
        await workers.close()
