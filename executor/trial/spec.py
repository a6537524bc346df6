"""The specification of one trial, as it is sent to a worker: plain JSON.

spec = trial_spec(problem, data, files, seed=0)        # see outcomes.py
TrialSpec.from_json(spec.to_json()) == spec
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from executor.records import Record
from executor.sandbox import Limits


@dataclass(frozen=True)
class TrialSpec(Record):
    """Everything a worker needs to know of a job, as plain JSON. Budgets are in seconds.

    `files` is the patched tree and `frozen` what is laid over it; `train_data`, `held_out`, `final`
    and `evaluate` are paths on the worker's machine, `hidden` those that a sandbox has to cover.
    With `final` the candidate is examined once more, on that part of the held-out data.
    """

    files: Mapping[str, str]
    frozen: Mapping[str, str]
    entry: Sequence[str]
    preload: Sequence[str]
    candidate: Sequence[str]
    candidate_preload: Sequence[str]
    evaluate: str
    train_data: str | None
    held_out: str | None
    budget_kind: str
    budget_seconds: float
    wall_limit: float
    startup_seconds: float
    examine_seconds: float
    candidate_seconds: float
    seed: int
    cpus: int = 1
    gpus: int = 0
    memory_mib: int = 2048
    disk_mib: int = 512
    processes: int = 256
    hidden: Sequence[str] = ()
    final: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        longest = max(self.wall_limit + self.startup_seconds, self.examine_seconds)
        # A backstop for single processes; the worker enforces the budget.
        cpu_seconds = 10 + round(2 * self.cpus * longest)
        return Limits(self.memory_mib, self.disk_mib, self.processes, cpu_seconds=cpu_seconds)
