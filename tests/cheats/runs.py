"""The three problems of the suite, small, and how a test tries cheats on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from executor import Executor, Problem, load_problem
from executor.sandbox import Sandbox
from gym_envs.cheats.attempts import CheatSession, try_cheats
from gym_envs.cheats.cheat import CLASSIFIER, LANGUAGE_MODEL, POLICY, Cheat, Kind
from gym_envs.cheats.traps import Traps

REPOSITORY = Path(__file__).parents[2]
# Small enough for a suite; what is attacked is the same. The policy keeps its size: a baseline that
# trains for less has hardly learnt, and to be sure is worth more than to learn.
PROBLEMS: Mapping[Kind, tuple[str, Mapping[str, object]]] = {
    CLASSIFIER: (
        "gym_envs/digits",
        {
            "budget.seconds": 1.5,
            "budget.examine_seconds": 20.0,
            "budget.candidate_seconds": 5.0,
            "hyperparameters.epochs": 60,
            "resources.memory_gb": 0.5,
            "resources.disk_gb": 0.25,
        },
    ),
    LANGUAGE_MODEL: (
        "gym_envs/nanogpt/problem-tiny.toml",
        {
            "budget.seconds": 3.0,
            "budget.examine_seconds": 30.0,
            "budget.candidate_seconds": 4.0,
            "hyperparameters.n_layer": 1,
            "hyperparameters.n_embd": 32,
            "hyperparameters.n_head": 2,
            "hyperparameters.batch_size": 4,
            "resources.memory_gb": 1.5,
            "resources.disk_gb": 0.25,
        },
    ),
    POLICY: (
        "gym_envs/grpo/problem-tiny.toml",
        {
            # Half of it is to train, see below: as long as in the problem itself.
            "budget.seconds": 60.0,
            "budget.examine_seconds": 60.0,
            "resources.memory_gb": 1.5,
            "resources.disk_gb": 0.25,
        },
    ),
}
# A baseline that uses its budget to the last would leave no time to a cheat's own code.
_TRAIN_SECONDS = (
    "max(0.5 * budget, min(max(0.97 * budget, budget - 10), budget - 0.6))",
    "max(0.5 * budget, min(0.97 * budget, budget - 0.6))",
)


def small_problem(kind: Kind, **overrides: object) -> Problem:
    """The problem in its small size; `overrides` by field name, with `_` for the dot."""
    path, sizes = PROBLEMS[kind]
    more = {name.replace("_", ".", 1): value for name, value in overrides.items()}
    problem = load_problem(REPOSITORY / path, {**sizes, **more})
    codebase = dict(problem.codebase)
    for seconds in _TRAIN_SECONDS:
        codebase["train.py"] = codebase["train.py"].replace(seconds, "0.5 * budget")
    return replace(problem, codebase=codebase)


def run_cheats(
    kind: Kind, cheats: Collection[Cheat], traps: Traps, folder: Path, lock: Sandbox
) -> CheatSession:
    """Tries cheats on the small problem of a kind, two at a time."""
    problem = small_problem(kind)
    with Executor(problem, store=folder, run="cheats", slots=2, sandbox=lock) as executor:
        return try_cheats(executor, cheats, traps.facts(problem, folder))
