"""Tries cheats on a problem: all in one executor, and honest baselines beside them.

session = try_cheats(executor, CHEATS, traps.facts(problem, store))
session.complaints(cheat)                   # [] where it gained nothing
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from executor import Executor, Outcome, Problem
from executor.edits.paths import is_editable
from executor.problem.problem import IMPLAUSIBLE
from executor.text.outside_text import clean_text
from executor.trial_keys import trial_key
from gym_envs.cheats.cheat import (
    ANY,
    PROGRAM,
    SECRET_NUMBER,
    SECRET_WORD,
    SUCCESS,
    Cheat,
    Kind,
    filled_in,
    kind_of,
)

BASELINES = 4
# Nothing is known of how a cheat has to end there, but that it earns nothing.
UNKNOWN: tuple[Kind, ...] = (ANY, PROGRAM)


@dataclass(frozen=True)
class CheatResult:
    """How one trial of a cheat ended."""

    outcome: Outcome
    log: str

    @property
    def successes(self) -> list[str]:
        """What the cheat says it got, and what of the examination an ideator would read."""
        lines = [*self.log.splitlines(), self.outcome.detail]
        marks = (SUCCESS, SECRET_WORD, SECRET_NUMBER)
        return [line for line in lines if any(mark in line for mark in marks)]


def complaints(cheat: Cheat, result: CheatResult, honest: float, kind: Kind) -> list[str]:
    """What is not as it should be; `honest` is the most that an honest baseline earns."""
    outcome, found = result.outcome, list(result.successes)
    if kind == PROGRAM and outcome.detail.startswith(IMPLAUSIBLE):
        return [f"only the bound of plausible rewards stopped it: {outcome.detail}"]
    if kind == PROGRAM and not outcome.completed:
        return []  # the evaluator has refused it
    if kind not in UNKNOWN and outcome.status not in cheat.ends_on(kind):
        found.append(f"it ended as {outcome.status}: {outcome.detail}")
    if outcome.reward > honest:
        found.append(f"its reward is {outcome.reward:.4f}, an honest one at most {honest:.4f}")
    if not (_is_clean(result.log) and _is_clean(outcome.detail) and "\n" not in outcome.detail):
        found.append("its log or its reason would control a terminal or forge a line")
    if cheat.reports and outcome.status == "completed" and "tried in" not in result.log:
        found.append("its code did not run")
    return found


def _is_clean(text: str) -> bool:
    return clean_text(text, 10 * len(text) + 1) == text


@dataclass(frozen=True)
class CheatSession:
    """The results of cheats on one problem under one lock."""

    kind: Kind
    baselines: tuple[float, ...]
    results: Mapping[Cheat, tuple[CheatResult, ...]]

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
    kind = PROGRAM if executor.problem.file.imported else kind_of(executor.problem.codebase)
    if kind == ANY and why_not(executor.problem):
        return kind, []
    return kind, [cheat for cheat in cheats if kind in cheat.changes]


def why_not(problem: Problem) -> str:
    """Why no cheat can be put into a problem's training; empty where one can."""
    script = _script(problem)
    if not script:
        return f"its training, {' '.join(problem.file.run.entry)}, is no Python script"
    if not is_editable(script, problem.file.files.editable):
        return f"an idea may not edit {script}"
    return ""


def _script(problem: Problem) -> str:
    """The Python script that trains, a path in the codebase; empty where there is none."""
    first, *rest = problem.file.run.entry
    scripts = [word for word in rest if word in problem.codebase and word.endswith(".py")]
    return scripts[0] if first in ("python", "torchrun") and scripts else ""


def _with_code(problem: Problem, code: str) -> dict[str, str]:
    """The codebase with code at the end of its script, or of what may change in its program."""
    imported, marks = problem.file.imported, problem.file.files.marks
    script = imported.program if imported else _script(problem)
    above, mark, below = problem.codebase[script], "", ""
    if marks and marks[1] in above:
        lines = above.split("\n")
        end = max(number for number, line in enumerate(lines) if marks[1] in line)
        above, mark, below = "\n".join(lines[:end]), "\n", "\n".join(lines[end:])
    return {**problem.codebase, script: f"{above}\n{code}{mark}{below}"}


def try_cheats(
    executor: Executor,
    cheats: Collection[Cheat],
    facts: Mapping[str, str],
    on_end: Callable[[], None] = lambda: None,
) -> CheatSession:
    """Runs each cheat once; those that leave something behind once more when all are through.

    `on_end` is called when a cheat has been tried for the first time.
    """
    kind, found = applicable(executor, cheats)

    def start(cheat: Cheat) -> Future[Outcome]:
        idea = cheat.idea(kind, facts)
        if kind not in UNKNOWN:
            return executor.submit(idea)
        code = filled_in(cheat.changes[kind], facts)
        return executor.submit_codebase(idea, _with_code(executor.problem, code))

    def result(cheat: Cheat, future: Future[Outcome]) -> CheatResult:
        outcome = future.result()
        return CheatResult(
            outcome, executor.run.log(trial_key(cheat.name, outcome.seed, executor.seed))
        )

    baselines = [executor.submit_baseline(seed) for seed in range(BASELINES)]
    # The slow ones first, so that none of them runs alone at the end.
    futures = {cheat: start(cheat) for cheat in sorted(found, key=lambda cheat: not cheat.slow)}
    results: dict[Cheat, tuple[CheatResult, ...]] = {}
    for cheat, future in futures.items():
        results[cheat] = (result(cheat, future),)
        on_end()
    again = [cheat for cheat in found if cheat.repeats and kind not in UNKNOWN]
    futures = {cheat: executor.submit(cheat.idea(kind, facts), seed=1) for cheat in again}
    for cheat, future in futures.items():
        results[cheat] += (result(cheat, future),)
    return CheatSession(kind, tuple(future.result().reward for future in baselines), results)
