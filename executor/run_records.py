"""What a run was begun with, and how long each of its sessions has lasted.

<run>/start.json           the problem, its version, the seed, what makes the reward
<run>/sessions/000.json    one a session: when it began, slots, sandbox
<run>/seconds/000.json     wall seconds of that session so far

start = new_start(run, problem, seed=0, sandbox="strict")     # refuses a run of other conditions
session = SessionClock(run)                       # its time begins
session.begin(slots=4, sandbox=str(sandbox))
session.keep()                                    # whenever it `is_due`, and at the end
read_start(run).reward.in_words()                 # "the accuracy"
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from executor.clock import now
from executor.errors import StoreError
from executor.problem.problem import Problem
from executor.problem.problem_file import RewardRule
from executor.sandbox import Level, meets
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder

START, SESSIONS, SECONDS = "start.json", "sessions", "seconds"
_OFTEN_S = 1.0


@dataclass(frozen=True)
class RunStart(StrictRecord):
    """What is the same in all sessions of a run."""

    problem: str
    version: str
    seed: int
    reward: RewardRule


@dataclass(frozen=True)
class RunSession(StrictRecord):
    """One life of the executor: the Unix time of its begin, trials at a time, and how their code is
    locked in."""

    began: float
    slots: int
    sandbox: str


@dataclass(frozen=True)
class SessionSeconds(StrictRecord):
    """Wall seconds of a session up to the last time that somebody looked."""

    seconds: float


def new_start(run: RunFolder, problem: Problem, seed: int, sandbox: Level) -> RunStart | None:
    """What a new run is to keep as START; None for one that was begun before. Raises StoreError for
    one whose stored outcomes were measured under other conditions."""
    here = RunStart(problem.name, problem.version, seed, problem.file.reward)
    with ThreadPoolExecutor(1) as beside:
        trials = beside.submit(run.trials)
        kept = read_start(run)
    if kept is None:
        if run.outcomes(trials.result()):
            raise StoreError(
                f"the run {run.name} has outcomes and no {START}: it was begun by another version "
                "of this program, or the file was lost; choose another run name"
            )
        return here
    other = ""
    if kept.problem != here.problem:
        other = f"the problem {kept.problem}"
    elif kept.version != here.version:
        other = f"another version of the problem {problem.name}"
    elif kept.seed != seed:
        other = f"the seed {kept.seed}"
    else:
        weaker = [s.sandbox for s in read_sessions(run) if not meets(s.sandbox, sandbox)]
        other = f"a weaker sandbox ({weaker[0]})" if weaker else ""
    if other:
        raise StoreError(f"the run {run.name} belongs to {other}; choose another run name")
    return None


def read_start(run: RunFolder) -> RunStart | None:
    """None where no executor has begun the run. Raises StoreError."""
    return run.kept(START, RunStart)


def read_sessions(run: RunFolder) -> list[RunSession]:
    """In their order. Raises StoreError."""
    return list(run.kept_numbered(SESSIONS, RunSession).values())


def seconds_used(run: RunFolder) -> float:
    """Wall seconds of a run's sessions so far."""
    return sum(used.seconds for used in run.kept_numbered(SECONDS, SessionSeconds).values())


class SessionClock:
    """Keeps how long this session has lasted. Threads may share it."""

    def __init__(self, run: RunFolder) -> None:
        self._run, self._begun = run, time.monotonic()
        self._number = max(run.kept_numbered(SESSIONS, RunSession), default=-1) + 1
        self._turn, self._kept_s = threading.Lock(), 0.0

    def begin(self, slots: int, sandbox: str) -> None:
        """Keeps that there is this session."""
        self._run.keep_numbered(SESSIONS, self._number, RunSession(now(), slots, sandbox))

    def keep(self) -> None:
        # A shorter time must not be put over a longer one.
        with self._turn:
            self._kept_s = round(time.monotonic() - self._begun, 3)
            self._run.keep_numbered(SECONDS, self._number, SessionSeconds(self._kept_s))

    def is_due(self) -> bool:
        """Whether to keep it again: for those who come often, what was kept just now will do."""
        return time.monotonic() - self._begun - self._kept_s > _OFTEN_S
