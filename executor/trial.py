"""What one worker does with one codebase: train it, then examine what training left.

    trial = run_trial(spec, folder, lock, stopped=lambda: False)
    trial.status, trial.metrics          # ("completed", {"accuracy": 0.93})

Training and candidate are locked in separately and share nothing but the folder `candidate/`:
training runs in one copy of the codebase, the candidate starts in a fresh one. Nothing that either
prints is a metric. The same code runs under every kind of worker.
"""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from executor import processes
from executor.candidate_folder import ForbiddenEntry, NoCandidate, take_over
from executor.command import PRELUDE, TORCHRUN, command_line, environment
from executor.examiner import Candidate, Examination, ExaminerDied, examine
from executor.log_tail import last_line, tail
from executor.records import Record, Status, Trial
from executor.sandbox import Box, Limits, Lock, box_uid, open_group, places, start
from executor.sandbox.cgroup import Group
from executor.sandbox.workspace import trial_folder
from executor.usage import Meter

# Enough for a compiler's caches, and few enough to be gone at once.
MAX_FILES = 50_000
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class TrialSpec(Record):
    """Everything a worker needs to know of a job, as plain JSON. Budgets are in seconds.

    `files` is the patched tree and `frozen` what is laid over it; `train_data`, `held_out` and
    `evaluate` are paths on the worker's machine, `hidden` those that a sandbox has to cover.
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
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        longest = max(self.wall_limit + self.startup_seconds, self.examine_seconds)
        # A backstop for single processes; the budget is the worker's business.
        cpu_seconds = 10 + round(2 * self.cpus * longest)
        return Limits(self.memory_mib, self.disk_mib, self.processes, cpu_seconds=cpu_seconds)


@dataclass(frozen=True)
class _Half:
    """One locked-in half of a trial, the training or the candidate."""

    spec: TrialSpec
    lock: Lock
    box: Box
    group: Group | None
    meter: Meter
    log: int
    log_path: Path

    def start(self, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """`env` among `how` is added to the clean environment. Raises OSError."""
        env = environment(
            self.lock, self.box, cpus=self.spec.cpus, extra={**self.spec.env, **how.pop("env", {})}
        )
        return start(
            self.lock, self.box, command, env=env, output=self.log, group=self.group, **how
        )


def run_trial(spec: TrialSpec, folder: Path, lock: Lock, stopped: Callable[[], bool]) -> Trial:
    """Trains and examines in the new folder `folder`, which is gone afterwards.

    Raises processes.Interrupted when `stopped()` becomes true. No process is left in any case.
    """
    started = time.monotonic()
    with trial_folder(folder, spec.disk_mib, MAX_FILES, mounted=lock.mounted):
        learnt = True
        try:
            trial = _train_then_examine(spec, folder, lock, stopped)
        except OSError as error:
            trial = Trial("crashed", "train", detail=f"the trial could not be set up: {error}")
            learnt = _is_of_the_codebase(error, lock)
        except ExaminerDied as error:
            trial = Trial("crashed", "examine", detail=str(error))
            learnt = False
        return replace(
            trial,
            # Without times: nothing was learnt about the codebase.
            started=started if learnt else 0.0,
            ended=time.monotonic() if learnt else 0.0,
            log=tail(folder / "logs" / "train") + trial.log,
            exam_log=tail(folder / "logs" / "exam"),
            sandbox=str(lock),
            frozen={name: _sha256(text) for name, text in spec.frozen.items()},
        )


def _is_of_the_codebase(error: OSError, lock: Lock) -> bool:
    """Whether two of its names exclude each other or it filled its disk; else the worker is ill."""
    names = (FileExistsError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, names) or (lock.mounted and error.errno == errno.ENOSPC)


def _train_then_examine(
    spec: TrialSpec, folder: Path, lock: Lock, stopped: Callable[[], bool]
) -> Trial:
    with _half(spec, folder, "train", lock) as half:
        run = _train(half, stopped)
        trained = Trial(
            "completed",
            "train",
            startup_s=run.startup_s,
            train_s=run.wall_s,
            charged_s=run.charged_s,
            cpu_s=half.meter.cpu_seconds(),
            memory_mib=half.meter.peak_mib,
            disk_mib=half.meter.disk_mib,
        )
        if failure := _failure(run, half):
            return replace(trained, status=failure[0], detail=failure[1])

    begun = time.monotonic()
    with _half(spec, folder, "exam", lock) as half:
        try:
            take_over(folder / "train" / "candidate", half.box.work / "candidate")
        except NoCandidate:
            detail = "training ended without leaving a folder candidate/"
            return replace(trained, status="crashed", detail=detail)
        except ForbiddenEntry as error:
            return replace(trained, status="rejected", stage="examine", detail=str(error))
        result = _examine(half, stopped)
        return replace(
            trained,
            status=result.status,
            stage="done" if result.status == "completed" else "examine",
            metrics=result.metrics,
            detail=result.detail,
            log=result.log,
            examine_s=time.monotonic() - begun,
            cpu_s=trained.cpu_s + half.meter.cpu_seconds(),
            memory_mib=max(trained.memory_mib, half.meter.peak_mib),
            disk_mib=max(trained.disk_mib, half.meter.disk_mib),
        )


@contextmanager
def _half(spec: TrialSpec, folder: Path, name: str, lock: Lock) -> Iterator[_Half]:
    """Lays a half out; removes its control group afterwards."""
    box = _lay_out(spec, folder, name, lock)
    log_path = folder / "logs" / name
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    group = None
    try:
        group = open_group(lock, box)
        limits = None if lock.level == "none" else box.limits
        meter = Meter(folder, limits, group, lock.mounted)
        yield _Half(spec, lock, box, group, meter, log, log_path)
    finally:
        os.close(log)
        if group:
            group.remove()


def _lay_out(spec: TrialSpec, folder: Path, name: str, lock: Lock) -> Box:
    """Writes the patched tree, then the frozen files over it, then the pipe."""
    work, scratch = folder / name, folder / f"{name}-scratch"
    written = [work, scratch / "tmp", scratch / "shm"]
    for path in written:
        path.mkdir(parents=True)
    for file, text in {**spec.files, **spec.frozen, "exam_pipe.py": _exam_pipe()}.items():
        if name == "exam" and file.startswith("candidate/"):
            continue
        path = work / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        written += [path, *path.relative_to(work).parents]
    if lock.isolates:
        for path in written:
            os.chown(work / path, box_uid(), -1)
    return Box(
        work=work,
        scratch=scratch,
        # The candidate has what training left, and nothing else to learn from.
        data=Path(spec.train_data) if spec.train_data and name == "train" else None,
        hidden=tuple(map(Path, spec.hidden)),
        tools={path.name: path for path in (PRELUDE, TORCHRUN)},
        limits=spec.limits,
        gpus=spec.gpus > 0,
    )


def _train(half: _Half, stopped: Callable[[], bool]) -> processes.Run:
    spec = half.spec
    reader, writer = os.pipe()
    command, has_prelude = command_line(spec.entry, spec.preload, writer, half.lock, half.box)
    env = {
        "SEED": str(spec.seed),
        "DATA_DIR": places(half.lock, half.box)[1],
        "BUDGET_KIND": spec.budget_kind,
        "BUDGET_SECONDS": repr(spec.budget_seconds),
        "GPUS": str(spec.gpus),
    }
    limits = processes.Limits(
        spec.budget_kind,  # type: ignore[arg-type]
        spec.budget_seconds,
        spec.startup_seconds,
        spec.wall_limit,
    )
    process = None
    try:
        process = half.start(command, env=env, pass_fds=(writer,) if has_prelude else ())
        os.close(writer)
        writer = -1
        return processes.watch(
            process,
            limits,
            meter=half.meter,
            clock_start=reader if has_prelude else None,
            stopped=stopped,
        )
    except OSError as error:
        os.write(half.log, f"{command[0]}: {error.strerror or error}\n".encode())
        return processes.Run(127, "", 0.0, 0.0, 0.0)
    finally:
        processes.end_tree(process)
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def _failure(run: processes.Run, half: _Half) -> tuple[Status, str] | None:
    """The status and the reason of a training that did not end well."""
    if run.excess:
        return "crashed", f"training used {run.excess}"
    if run.exit_code is None:
        return "timeout", f"training: {run.reason}"
    if run.exit_code == 0:
        return None
    if half.meter.out_of_memory():
        return "crashed", f"training used over {half.box.limits.memory_mib} MiB of memory"
    line = last_line(tail(half.log_path))
    return "crashed", line or f"training {processes.how_it_ended(run.exit_code)}"


def _examine(half: _Half, stopped: Callable[[], bool]) -> Examination:
    spec = half.spec
    reader, writer = os.pipe()
    command, has_prelude = (
        command_line(spec.candidate, spec.candidate_preload, writer, half.lock, half.box)
        if spec.candidate
        else ([], False)
    )
    limits = processes.Limits("cpu", spec.candidate_seconds, None, spec.examine_seconds)
    candidate = Candidate(
        half.box.work,
        command,
        half.start,
        half.log,
        half.log_path,
        pass_fds=(writer,) if has_prelude else (),
    )
    try:
        result = examine(
            Path(spec.evaluate),
            candidate,
            Path(spec.held_out) if spec.held_out else None,
            limits,
            meter=half.meter,
            clock_start=reader if has_prelude else None,
            stopped=stopped,
        )
    finally:
        os.close(reader)
        os.close(writer)
    if result.status == "crashed" and half.meter.out_of_memory():
        limit = half.box.limits.memory_mib
        return replace(result, detail=f"the candidate used over {limit} MiB of memory")
    return result


@cache
def _exam_pipe() -> str:
    return (_HERE / "exam_pipe.py").read_text()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
