"""What a run of the study came to.

executed = first_executions(load_run(run))[:640]
figures_of("grpo", 0, data, executed, confirmed, policy, seconds).curve[640]
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from ideator_rl.analysis import RunData, TrialData
from objectives.confirm import Confirmed

# So many executions into a run, how good is its best idea?
POINTS = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 320, 384, 448, 512, 576, 640)


class Figures(msgspec.Struct, frozen=True):
    """Rewards are means over trials, shares are between 0 and 1, lengths are in characters.

    best: the best reward of the run itself, which luck helps; `confirmed`: see `confirm.py`.
    curve: the best reward after so many executions; the last point is that of the whole run.
    first_mean, last_mean: the mean reward of the first and of the last 64 ideas.
    completed: the share of the last 64 ideas that complete.
    distinct: the share of different codebases among those of the last 64 ideas that became code.
    algorithms: the share of the last 64 ideas, of those whose code can be read, that change more
        than settings.
    length: of an idea, the mean of the first and of the last 64.
    policy: by k, best@k of 64 ideas of the trained model on fresh seeds; empty for searches.
    """

    arm: str
    seed: int
    steps: int
    executions: int
    best: float
    confirmed: Confirmed
    curve: dict[int, float]
    first_mean: float
    last_mean: float
    completed: float
    distinct: float
    algorithms: float
    length: tuple[float, float]
    policy: dict[int, float]
    seconds: float


def first_executions(data: RunData) -> list[TrialData]:
    """The trials of codebases that had not run before, in the order of the run."""
    found: dict[str, TrialData] = {}
    for trial in in_order(data):
        if trial.content_hash:
            found.setdefault(trial.content_hash, trial)
    return list(found.values())


def in_order(data: RunData) -> list[TrialData]:
    return sorted(data.ideas, key=lambda trial: (trial.epoch, trial.finished_at, trial.key))


def figures_of(
    arm: str,
    seed: int,
    data: RunData,
    executed: Sequence[TrialData],
    confirmed: Confirmed,
    policy: dict[int, float],
    seconds: float,
) -> Figures:
    """`executed` are the first executions that count."""
    last_of_all = executed[-1]
    ideas = in_order(data)
    ideas = ideas[: 1 + ideas.index(last_of_all)] if not data.steps else ideas
    first, last = ideas[:64], ideas[-64:]
    rewards = [trial.reward for trial in executed]
    points = [point for point in POINTS if point < len(rewards)] + [len(rewards)]
    coded = [trial.content_hash for trial in last if trial.content_hash]
    kinds = [trial.change.kind for trial in last if trial.change is not None]
    return Figures(
        arm=arm,
        seed=seed,
        steps=max(data.steps, default=0),
        executions=len(executed),
        best=max(rewards),
        confirmed=confirmed,
        curve={point: max(rewards[:point]) for point in points},
        first_mean=statistics.fmean(trial.reward for trial in first),
        last_mean=statistics.fmean(trial.reward for trial in last),
        completed=sum(trial.completed for trial in last) / len(last),
        distinct=len(set(coded)) / max(1, len(coded)),
        algorithms=kinds.count("algorithm") / max(1, len(kinds)),
        length=(mean_length(first), mean_length(last)),
        policy=policy,
        seconds=seconds,
    )


def mean_length(ideas: Sequence[TrialData]) -> float:
    return statistics.fmean(len(idea.text) for idea in ideas)
