"""What one worker does with one codebase: train it, then examine what training left.

    trial = run_trial(spec, folder, stopped=lambda: False)
    trial.status, trial.metrics          # ("completed", {"accuracy": 0.93})

Training and candidate are separate processes that share nothing but the folder `candidate/`:
training runs in one copy of the codebase, the candidate starts in a fresh one. Nothing that either
prints is a metric. The same code runs under every kind of worker.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from executor import processes
from executor.examiner import Candidate, examine
from executor.records import Record, Trial

LOG_BYTES = 256 * 1024
_HERE = Path(__file__).parent
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class TrialSpec(Record):
    """Everything a worker needs to know of a job, as plain JSON. Budgets are in seconds.

    `files` is the patched tree and `frozen` what is laid over it; `train_data`, `held_out` and
    `evaluate` are paths on the worker's machine.
    """

    files: Mapping[str, str]
    frozen: Mapping[str, str]
    entry: Sequence[str]
    preload: Sequence[str]
    candidate: Sequence[str]
    evaluate: str
    train_data: str | None
    held_out: str | None
    budget_kind: str
    budget_seconds: float
    wall_limit: float
    startup_seconds: float
    examine_seconds: float
    seed: int
    cpus: int = 1
    gpus: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


def run_trial(spec: TrialSpec, folder: Path, stopped: Callable[[], bool]) -> Trial:
    """Trains and examines in the new folder `folder`, which the caller removes.

    Raises processes.Interrupted when `stopped()` becomes true. No process is left in any case.
    """
    started = time.monotonic()
    folder.mkdir(parents=True)
    log_path = folder / "log.txt"
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        try:
            trial = _train_then_examine(spec, folder, log, log_path, stopped)
        except OSError as error:
            # Two names of the codebase that exclude each other, a full disk, ...
            trial = Trial("crashed", "train", detail=f"the trial could not be set up: {error}")
        return replace(
            trial,
            log=_tail(log_path),
            started=started,
            ended=time.monotonic(),
        )
    finally:
        os.close(log)


def _train_then_examine(
    spec: TrialSpec, folder: Path, log: int, log_path: Path, stopped: Callable[[], bool]
) -> Trial:
    train, exam = folder / "train", folder / "exam"
    run = _train(spec, _lay_out(spec, train), log, stopped)
    timed = partial(Trial, startup_s=run.startup_s, train_s=run.wall_s, charged_s=run.charged_s)
    if run.exit_code is None:
        return timed("timeout", "train", detail=f"training: {run.reason}")
    if run.exit_code != 0:
        detail = _last_line(log_path) or f"training ended with exit code {run.exit_code}"
        return timed("crashed", "train", detail=detail)
    if not (train / "candidate").is_dir() or (train / "candidate").is_symlink():
        detail = "training ended without leaving a folder candidate/"
        return timed("crashed", "train", detail=detail)

    begun = time.monotonic()
    # A codebase may have files in candidate/ itself; training has seen them.
    shutil.rmtree(_lay_out(spec, exam) / "candidate", ignore_errors=True)
    (train / "candidate").rename(exam / "candidate")
    command, _ = _command(spec.candidate, preload=(), clock=None) if spec.candidate else ((), None)
    candidate = Candidate(exam, command, _environment(spec, exam), log)
    held_out = Path(spec.held_out) if spec.held_out else None
    result = examine(Path(spec.evaluate), candidate, held_out, spec.examine_seconds, stopped)
    detail = result.detail
    if result.detail == "the candidate ended without answering":
        detail = f"the candidate ended without answering: {_last_line(log_path)}"
    return timed(
        result.status,
        "done" if result.status == "completed" else "examine",
        metrics=result.metrics,
        detail=detail,
        examine_s=time.monotonic() - begun,
    )


def _train(spec: TrialSpec, folder: Path, log: int, stopped: Callable[[], bool]) -> processes.Run:
    reader, writer = os.pipe()
    command, has_prelude = _command(spec.entry, spec.preload, clock=writer)
    env = _environment(spec, folder) | {
        "SEED": str(spec.seed),
        "BUDGET_KIND": spec.budget_kind,
        "BUDGET_SECONDS": repr(spec.budget_seconds),
        "DATA_DIR": spec.train_data or "",
    }
    limits = processes.Limits(
        spec.budget_kind,  # type: ignore[arg-type]
        spec.budget_seconds,
        spec.startup_seconds,
        spec.wall_limit,
    )
    process = None
    try:
        process = processes.start(
            command, cwd=folder, env=env, output=log, pass_fds=(writer,) if has_prelude else ()
        )
        os.close(writer)
        writer = -1
        return processes.watch(
            process, limits, clock_start=reader if has_prelude else None, stopped=stopped
        )
    except OSError as error:
        os.write(log, f"{command[0]}: {error.strerror}\n".encode())
        return processes.Run(127, "", 0.0, 0.0, 0.0)
    finally:
        processes.end_tree(process)
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def _command(
    words: Sequence[str], preload: Sequence[str], clock: int | None
) -> tuple[list[str], bool]:
    """The command line, and whether it is a Python script that starts through the prelude.

    -P: modules of the codebase cannot stand in for the ones that are preloaded; -B: no bytecode.
    """
    if words[0] != "python":
        return list(words), False
    python = [sys.executable, "-P", "-B"]
    if clock is None or words[1].startswith("-"):
        # The candidate's own folder has to be importable, as for any script.
        return [sys.executable, "-B", *words[1:]], False
    return [*python, str(_HERE / "prelude.py"), str(clock), ",".join(preload), *words[1:]], True


def _environment(spec: TrialSpec, folder: Path) -> dict[str, str]:
    """A clean environment: no key, token or setting of the parent."""
    env = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    env |= dict.fromkeys(_THREAD_VARIABLES, str(spec.cpus))
    env |= {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    if not spec.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ""
    if site.ENABLE_USER_SITE:
        env["PYTHONUSERBASE"] = site.getuserbase()
    return env | dict(spec.env)


def _lay_out(spec: TrialSpec, folder: Path) -> Path:
    """Writes the patched tree, then the frozen files over it, then the pipe."""
    for name, text in {**spec.files, **spec.frozen, "exam_pipe.py": _exam_pipe()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@cache
def _exam_pipe() -> str:
    return (_HERE / "exam_pipe.py").read_text()


def _tail(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - LOG_BYTES))
        text = file.read().decode(errors="replace")
    return text if size <= LOG_BYTES else f"[{size - LOG_BYTES} bytes left out]\n{text}"


def _last_line(path: Path) -> str:
    lines = [line for line in _tail(path).splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else ""
