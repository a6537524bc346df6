"""Trials that wait in a store for workers on other machines.

    <store>/queue/<problem>-<version>/problem.json          what its trials are about
                                     /jobs/<order>-<key>.json
                                     /leases/<key>.lock     held by the worker that runs it
                                     /tries/<key>/<n>       one for each time that it was begun
                                     /trials/<key>.json     what was measured

An executor posts a job and takes the trial; a worker takes the job by its lease. Removing a job
cancels it. `key` names what is run: the codebase hash and the level of the sandbox. So an executor
that was killed finds its jobs, and what has come of them, when it posts them again.

    queue = Queue(storage, QueuedProblem.of(problem, {}))
    queue.post(job)
    lease = queue.lease(key)                                # None while another worker has it
    queue.finish(key, trial)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from executor.edits.errors import EditError
from executor.edits.paths import normal_path
from executor.errors import DamagedRecord
from executor.problem.problem import Problem
from executor.records import Trial
from executor.sandbox import Level
from executor.settings import Scalar, convert
from executor.store.decisions import StrictRecord, read_record, write_record
from executor.store.folder import Folder
from executor.store.storage import Lock, Storage

ROOT = "queue"
_HIGHEST_PRIORITY = 99
# Seconds between two looks into a queue: a bucket is asked less often.
_FOLDER_POLL_S, _BUCKET_POLL_S = 0.1, 0.5


@dataclass(frozen=True)
class QueuedProblem(StrictRecord):
    """The problem of a queue: its name, the fields of problem.toml that were set, its version."""

    name: str
    version: str
    overrides: dict[str, Scalar] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, overrides: Mapping[str, Scalar]) -> QueuedProblem:
        return cls(problem.name, problem.version, dict(overrides))

    @property
    def folder(self) -> str:
        return f"{ROOT}/{self.name}-{self.version}"


@dataclass(frozen=True)
class QueuedJob(StrictRecord):
    """A codebase to be run once, under a sandbox of at least this level.

    `files` is the patched tree, path to text; `submitted_at` is a Unix time.
    """

    idea_id: str
    content_hash: str
    seed: int
    final: bool
    sandbox: Level
    priority: int
    submitted_at: float
    files: dict[str, str]

    @property
    def key(self) -> str:
        return f"{self.content_hash}-{self.sandbox}"

    @property
    def order(self) -> str:
        """Sorts jobs as the scheduler does: the highest priority first, then the oldest."""
        urgency = min(max(_HIGHEST_PRIORITY - self.priority, 0), 9999)
        return f"{urgency:04d}.{self.submitted_at:017.6f}"


class Queue:
    """The jobs of one version of a problem. Every method raises StoreError."""

    def __init__(self, storage: Storage, problem: QueuedProblem) -> None:
        self._storage, self.problem = storage, problem
        self._folder = problem.folder

    # ---- the executor's side

    def post(self, job: QueuedJob) -> None:
        """Adds a job, unless it is there already or has ended."""
        if self.trial(job.key) is not None or self._place(job.key):
            return
        if self._storage.read(f"{self._folder}/problem.json") is None:
            write_record(self._storage, f"{self._folder}/problem.json", self.problem)
        write_record(self._storage, f"{self._folder}/jobs/{job.order}-{job.key}.json", job)

    def ended(self) -> set[str]:
        """The keys of the jobs whose trials can be taken."""
        return {name.removesuffix(".json") for name in self._storage.list(f"{self._folder}/trials")}

    def trial(self, key: str) -> Trial | None:
        """What was measured; a crash where that cannot be read."""
        data = self._storage.read(f"{self._folder}/trials/{key}.json")
        if not data:
            return None
        try:
            return convert(json.loads(data), Trial)
        except (ValueError, RecursionError):
            return damaged("what the worker left of this trial")

    def cancel(self, key: str) -> None:
        """Removes a job; who runs it ends the trial."""
        if place := self._place(key):
            self._storage.remove(place)

    def forget(self, keys: Iterable[str]) -> None:
        """Removes trials that are kept elsewhere by now."""
        for key in keys:
            self._storage.remove(f"{self._folder}/trials/{key}.json")

    # ---- a worker's side

    def waiting(self) -> dict[str, str]:
        """The jobs that have not ended, in the order to run them: key to name."""
        names = self._storage.list(f"{self._folder}/jobs")
        stems = (name.removesuffix(".json") for name in names)
        return {stem.partition("-")[2]: name for stem, name in zip(stems, names, strict=True)}

    def job(self, name: str) -> QueuedJob | None:
        """A waiting job; None when it is gone. Raises DamagedRecord, also for a file that would
        lie outside the codebase."""
        job = read_record(self._storage, f"{self._folder}/jobs/{name}", QueuedJob)
        for path in job.files if job else ():
            try:
                normal_path(path)
            except EditError as error:
                raise DamagedRecord(f"the job {name} is damaged: {error}") from None
        return job

    def lease(self, key: str) -> Lock | None:
        """Held while a worker runs the job; None while another one does."""
        return self._storage.try_lock(f"{self._folder}/leases/{key}.lock")

    def tries(self, key: str) -> int:
        """How often a job was begun."""
        return len(self._storage.list(f"{self._folder}/tries/{key}"))

    def begin(self, key: str, before: int) -> None:
        """Notes that a job is begun that was begun so often before."""
        self._storage.write(f"{self._folder}/tries/{key}/{before}", b"")

    def take_back(self, key: str, before: int) -> None:
        """Undoes `begin` for a worker that leaves before the trial has ended."""
        self._storage.remove(f"{self._folder}/tries/{key}/{before}")

    def finish(self, key: str, trial: Trial) -> None:
        """Leaves the trial for the executor. Whoever finds a trial needs no job any more."""
        path = f"{self._folder}/trials/{key}.json"
        self._storage.write(path, f"{trial.to_json()}\n".encode())
        self.drop(key)

    def drop(self, key: str) -> None:
        """Removes what is left of a job that has ended."""
        self.cancel(key)
        self._storage.remove_folder(f"{self._folder}/tries/{key}")

    def _place(self, key: str) -> str | None:
        name = self.waiting().get(key)
        return name and f"{self._folder}/jobs/{name}"


def poll_s(storage: Storage) -> float:
    """Seconds between two looks into a queue."""
    return _FOLDER_POLL_S if isinstance(storage, Folder) else _BUCKET_POLL_S


def damaged(what: str) -> Trial:
    """The trial of a job that cannot be run or read; it says nothing of the codebase."""
    return Trial("crashed", "train", detail=f"{what} is damaged, or of another version")


def open_queues(storage: Storage) -> list[QueuedProblem]:
    """The problems whose queues have jobs. Raises StoreError."""
    found = []
    for name in storage.list(ROOT):
        if storage.list(f"{ROOT}/{name}/jobs"):
            problem = read_record(storage, f"{ROOT}/{name}/problem.json", QueuedProblem)
            found += [problem] if problem else []
    return found
