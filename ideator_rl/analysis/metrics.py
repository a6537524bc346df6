"""The figures of a run, as pure functions of records and events.

    >>> best_so_far([0.2, None, 0.5, 0.4])
    [0.2, 0.2, 0.5, 0.5]
    >>> round(improvement_in_sd(0.5, spread([0.40, 0.42])), 2)
    6.36

Times are in seconds and rewards in the problem's own unit: higher is better, always.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from executor.records import Outcome, Stage, Status

STAGES: tuple[Stage, ...] = ("implement", "train", "examine")


@dataclass(frozen=True)
class Spread:
    """`n` values of a measurement; `sd` is the sample standard deviation, None when n < 2."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class StageFlow:
    """How many trials reached a stage, how many left it well, and how the others ended there."""

    stage: Stage
    reached: int
    passed: int
    stopped: Mapping[Status, int]


@dataclass(frozen=True)
class ExecutorSession:
    """One life of the executor: Unix times, and how many trials it could run at a time."""

    start: float
    end: float
    slots: int


def best_so_far(rewards: Iterable[float | None]) -> list[float | None]:
    """The highest reward up to and including each trial; None until the first trial has one.

    None and non-finite rewards stand for trials without a measurement: they change nothing.
    """
    curve: list[float | None] = []
    best: float | None = None
    for reward in rewards:
        if reward is not None and math.isfinite(reward):
            best = reward if best is None else max(best, reward)
        curve.append(best)
    return curve


def status_counts(trials: Iterable[Outcome]) -> dict[Status, int]:
    """Trials of each status that occurs, the most frequent first."""
    return dict(Counter(trial.status for trial in trials).most_common())


def stage_flow(trials: Sequence[Outcome]) -> tuple[StageFlow, ...]:
    """The stages in their order; a trial that ended in one had passed those before it."""
    flows, left = [], len(trials)
    for stage in STAGES:
        stopped = status_counts(t for t in trials if _lost_in(t) == stage)
        passed = left - sum(stopped.values())
        flows.append(StageFlow(stage, left, passed, stopped))
        left = passed
    return tuple(flows)


def _lost_in(trial: Outcome) -> Stage | None:
    if trial.status == "completed":
        return None
    # A metric that gives no reward is found out after the examination, and is its fault.
    return "examine" if trial.stage == "done" else trial.stage


def completion_rate(trials: Sequence[Outcome]) -> float | None:
    """The share of trials that completed, 0 to 1; None without trials."""
    return status_counts(trials).get("completed", 0) / len(trials) if trials else None


def distinct_codebases(trials: Iterable[Outcome]) -> int:
    """How many different codebases ran. The hash covers the seed, so give trials of one seed."""
    return len({trial.content_hash for trial in trials if trial.content_hash})


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and sample standard deviation, in the values' unit; None without values."""
    if not values:
        return None
    return Spread(
        statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, len(values)
    )


def improvement_in_sd(best: float, baseline: Spread | None) -> float | None:
    """(best - baseline mean) / baseline s.d.; None where the baseline has no positive s.d."""
    return (best - baseline.mean) / baseline.sd if baseline and baseline.sd else None


def sessions(events: Iterable[Mapping[str, Any]]) -> tuple[ExecutorSession, ...]:
    """The sessions of a run, each from its start to the last thing that it recorded."""
    found: list[ExecutorSession] = []
    for event in events:
        if event.get("event") == "start":
            found.append(ExecutorSession(event["time"], event["time"], int(event.get("slots", 1))))
        elif found:
            found[-1] = ExecutorSession(found[-1].start, event["time"], found[-1].slots)
    return tuple(found)


def wall_seconds(lives: Iterable[ExecutorSession]) -> float:
    """Wall time of a run, in seconds; the time between two sessions does not count."""
    return sum(life.end - life.start for life in lives)


def elapsed_at(unix_time: float, lives: Iterable[ExecutorSession]) -> float:
    """Seconds of the run's own wall time that had passed at a Unix time."""
    return sum(max(0.0, min(unix_time, life.end) - life.start) for life in lives)


def busy_share(events: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of slot time that trials used, 0 to 1: Σ trial wall time / Σ slots · session time.

    Trials are timed on the worker's clock, start-up included. None when no time has passed.
    """
    used = sum(e["ended"] - e["started"] for e in events if e.get("event") == "trial")
    offered = sum(life.slots * (life.end - life.start) for life in sessions(events))
    return used / offered if offered > 0 else None
