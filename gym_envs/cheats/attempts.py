"""Tries cheats on a problem: all in one executor, and honest baselines beside them.

session = try_cheats(executor, CHEATS, traps.facts(problem, store))
session.complaints(cheat)                   # [] where it gained nothing
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from executor import Executor, Outcome
from executor.edits.paths import is_editable
from executor.store import trial_key
from gym_envs.cheats.cheat import (
    ANY,
    SECRET_NUMBER,
    SECRET_WORD,
    SUCCESS,
    Cheat,
    Kind,
    filled_in,
    kind_of,
)

BASELINES = 4


@dataclass(frozen=True)
class Result:
    """How one trial of a cheat ended."""

    outcome: Outcome
    log: str

    @property
    def successes(self) -> list[str]:
        """What the cheat says it got, and what of the examination an ideator would read."""
        lines = [*self.log.splitlines(), self.outcome.detail]
        marks = (SUCCESS, SECRET_WORD, SECRET_NUMBER)
        return [line for line in lines if any(mark in line for mark in marks)]


def complaints(cheat: Cheat, result: Result, honest: float, kind: Kind) -> list[str]:
    """What is not as it should be; `honest` is the most that an honest baseline earns."""
    outcome, found = result.outcome, list(result.successes)
    if kind != ANY and outcome.status not in cheat.ends:
        found.append(f"it ended as {outcome.status}: {outcome.detail}")
    if outcome.reward > honest:
        found.append(f"its reward is {outcome.reward:.4f}, an honest one at most {honest:.4f}")
    if cheat.reports and outcome.status == "completed" and "tried in" not in result.log:
        found.append("its code did not run")
    return found


@dataclass(frozen=True)
class Session:
    """The results of cheats on one problem under one lock."""

    kind: Kind
    baselines: tuple[float, ...]
    results: Mapping[Cheat, tuple[Result, ...]]

    @property
    def honest(self) -> float:
        """The most that an honest baseline earns: its mean and four standard deviations.

        The deviation of few runs can be small by chance; two percent are noise in any case.
        """
        mean = statistics.mean(self.baselines)
        return mean + 4 * max(statistics.stdev(self.baselines), 0.02 * abs(mean))

    def complaints(self, cheat: Cheat) -> list[str]:
        """What of a cheat's trials is not as it should be."""
        return [
            line
            for result in self.results[cheat]
            for line in complaints(cheat, result, self.honest, self.kind)
        ]


def applicable(executor: Executor, cheats: Collection[Cheat]) -> tuple[Kind, list[Cheat]]:
    """The kind of the executor's problem, and the cheats that can be tried on it."""
    problem = executor.problem
    kind = kind_of(problem.codebase)
    entry = problem.file.run.entry
    if kind == ANY and not (
        entry[0] in ("python", "torchrun") and is_editable(entry[1], problem.file.files.editable)
    ):
        return kind, []
    return kind, [cheat for cheat in cheats if kind in cheat.changes]


def try_cheats(executor: Executor, cheats: Collection[Cheat], facts: Mapping[str, str]) -> Session:
    """Runs each cheat once; those that leave something behind once more when all are through."""
    kind, found = applicable(executor, cheats)

    def start(cheat: Cheat) -> Future[Outcome]:
        idea = cheat.idea(kind, facts)
        if kind != ANY:
            return executor.submit(idea)
        codebase, script = executor.problem.codebase, executor.problem.file.run.entry[1]
        code = f"{codebase[script]}\n{filled_in(cheat.changes[ANY], facts)}"
        return executor.submit_codebase(idea, {**codebase, script: code})

    def result(cheat: Cheat, future: Future[Outcome]) -> Result:
        outcome = future.result()
        return Result(outcome, executor.run.log(trial_key(cheat.name, outcome.seed, executor.seed)))

    baselines = [executor.submit_baseline(seed) for seed in range(BASELINES)]
    # The slow ones first, so that none of them runs alone at the end.
    futures = {cheat: start(cheat) for cheat in sorted(found, key=lambda cheat: not cheat.slow)}
    results: dict[Cheat, tuple[Result, ...]] = {
        cheat: (result(cheat, future),) for cheat, future in futures.items()
    }
    again = [cheat for cheat in found if cheat.repeats and kind != ANY]
    futures = {cheat: executor.submit(cheat.idea(kind, facts), seed=1) for cheat in again}
    for cheat, future in futures.items():
        results[cheat] += (result(cheat, future),)
    return Session(kind, tuple(future.result().reward for future in baselines), results)
