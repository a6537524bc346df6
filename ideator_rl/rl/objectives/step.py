"""From a step of training to its advantages: groups, what ran before, the signal, the objective.

learning = Learning(objective, signal, 448, "store", "a", seeds=(0, 1, 2), prompts=prompts)
step = StepAdvantages(learning, executor)
step.advantages(uids, infos, rewards_B)              # one for each answer
step.new(infos)                                      # share of answers with code that never ran

What ran before is told by the step in which an idea was asked for, which its id says: that is the
same after a restart, also of a run that learns a step later.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from executor.records import Outcome
from executor.store.runs import Store
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.rl.objectives.comparable import comparable, gains, unit_of
from ideator_rl.rl.objectives.entropy_hold import EntropyHoldSettings
from ideator_rl.rl.objectives.group import Floats, Group
from ideator_rl.rl.objectives.imitation import ImitationSettings
from ideator_rl.rl.objectives.settings import Objective, advantages
from ideator_rl.rl.objectives.signal import SignalSettings, shape
from ideator_rl.rl.step_prompts import StepPromptsSettings

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Learning:
    """What is learnt: the objective, what changes the rewards before, the most tokens of an answer;
    where the run is kept (`store`, a URL, and `run`), the seeds of its baselines, the first of
    which is the run's own, and what groups are shown; what steers the entropy coefficient, and what
    is imitated; the style of prompts, and after how many executions training ends; the problem, and
    its weight among several, where their rewards are made `comparable` with the recipe's `unit`,
    see `comparable.py`."""

    objective: Objective
    signal: SignalSettings
    longest: int
    store: str
    run: str
    seeds: tuple[int, ...]
    prompts: StepPromptsSettings
    entropy_hold: EntropyHoldSettings | None = None
    imitation: ImitationSettings | None = None
    style: PromptStyle = "full"
    executions: int | None = None
    problem: str = ""
    weight: float = 1.0
    comparable: bool = False
    unit: float | None = None


class Baselines(Protocol):
    """Runs the unpatched codebase, see `RemoteExecutor`."""

    def submit_baseline(self, seed: int) -> Any:
        """A future of its outcome."""


class StepAdvantages:
    """Belongs to one run. What its earlier steps ran is read from the store when this is made."""

    def __init__(self, learning: Learning, executor: Baselines) -> None:
        self._learning, self._executor = learning, executor
        self._first_step = first_steps(learning.store, learning.run)
        self._rewards: list[float] | None = None

    def advantages(self, uids: Sequence[str], infos: Sequence[Info], rewards_B: Floats) -> Floats:
        """The advantage of each answer.

        Args:
            uids: names each answer's group.
            infos: what the agent loop reports of each answer.
            rewards_B: the measured rewards.

        Raises:
            UserError: an objective of somebody else gave no finite number for each answer, or there
                is no unit for comparable rewards.
        """
        found_B = np.zeros(len(infos))
        for uid in dict.fromkeys(uids):
            rows = [row for row, other in enumerate(uids) if other == uid]
            group = self._group([infos[row] for row in rows], rewards_B[rows])
            ideas = [infos[row]["idea"] for row in rows]
            shaped = shape(group, self._learning.signal, ideas, self._learning.longest)
            found_B[rows] = advantages(self._learning.objective, shaped)
        for info in infos:
            if code := info["content_hash"]:
                step = step_of(info["idea_id"])
                self._first_step[code] = min(step, self._first_step.get(code, step))
        return found_B

    def executed(self, step: int) -> int:
        """How many different codebases have run in the steps up to this one, baselines apart."""
        return executed_by(step, self._first_step)

    def new(self, infos: Sequence[Info]) -> float:
        """The share of answers whose codebase had not run in an earlier step, each counted once."""
        return len(self._unseen(infos)) / len(infos)

    def unseen(self, infos: Sequence[Info]) -> float | None:
        """The same of the answers that became code; None where there are none."""
        coded = sum(bool(info["content_hash"]) for info in infos)
        return len(self._unseen(infos)) / coded if coded else None

    def _unseen(self, infos: Sequence[Info]) -> set[str]:
        coded = [info for info in infos if info["content_hash"]]
        return {info["content_hash"] for info in coded if not self._ran_before(info)}

    def _ran_before(self, info: Info) -> bool:
        step = step_of(info["idea_id"])
        return self._first_step.get(info["content_hash"], step) < step

    def _group(self, infos: Sequence[Info], rewards_N: Floats) -> Group:
        hashes = [info["content_hash"] for info in infos]
        before = [
            bool(code) and (code in hashes[:row] or self._ran_before(info))
            for row, (code, info) in enumerate(zip(hashes, infos, strict=True))
        ]
        baselines = self._baselines()
        group = Group(
            rewards_N=rewards_N,
            completed_N=np.array([info["completed"] for info in infos]),
            statuses=[info["status"] for info in infos],
            hashes=hashes,
            ran_before_N=np.array(before),
            thinking_tokens_N=np.array([float(info["thinking_tokens"]) for info in infos]),
            noise=statistics.stdev(baselines) if len(baselines) > 1 else 0.0,
            baseline=self._zero(),
        )
        return comparable(group, self._unit()) if self._learning.comparable else group

    def gains(self, infos: Sequence[Info]) -> Floats:
        """Each answer's reward on the scale of `comparable.py`. Raises UserError where there is no
        unit."""
        rewards_B = np.array([info["reward"] for info in infos], dtype=np.float64)
        completed_B = np.array([info["completed"] for info in infos], dtype=np.bool_)
        return gains(rewards_B, completed_B, self._zero(), self._unit())

    def _zero(self) -> float:
        return statistics.fmean(self._baselines() or [0.0])

    def _unit(self) -> float:
        return unit_of(self._learning.problem, self._baselines(), self._learning.unit)

    def _baselines(self) -> list[float]:
        """The rewards of the baselines, which started with the run."""
        if self._rewards is None:
            futures = [self._executor.submit_baseline(seed) for seed in self._learning.seeds]
            outcomes: list[Outcome] = [future.result() for future in futures]
            self._rewards = [outcome.reward for outcome in outcomes if outcome.completed]
        return self._rewards


def first_steps(store: str, name: str) -> dict[str, int]:
    """By codebase hash, the first step of a run that ran it; the baseline's step is 0."""
    run = Store(store).run(name)
    found: dict[str, int] = {}
    for key, outcome in run.outcomes(run.trials()).items():
        if outcome.content_hash:
            step = step_of(key)
            found[outcome.content_hash] = min(step, found.get(outcome.content_hash, step))
    return found


def executed_by(step: int, first_steps: Mapping[str, int]) -> int:
    """How many codebases ran first in a step of training up to this one."""
    return sum(0 < first <= step for first in first_steps.values())


def step_of(key: str) -> int:
    """The step of a trial of a training, by its key `0012-…`; 0 for any other."""
    number = key.partition("-")[0]
    return int(number) if number.isdecimal() else 0
