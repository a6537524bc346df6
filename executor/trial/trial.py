"""One trial: trains a codebase, then examines the candidate that training left.

    trial = run_trial(spec, folder, sandbox, stopped=lambda: False, begun=lambda: None)
    trial.status, trial.metrics          # ("completed", {"accuracy": 0.93})

Training and candidate are locked in separately and share nothing but the folder `candidate/`:
training runs in one copy of the codebase, the candidate starts in a fresh one. Nothing that either
prints is a metric. The same code runs under every kind of worker.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from executor.processes import processes
from executor.records import Status, Trial
from executor.sandbox import Sandbox, places
from executor.sandbox.servers import check_servers
from executor.sandbox.watch import TimeLimits, WatchedRun, watch
from executor.sandbox.workspace import trial_folder
from executor.trial.candidate_folder import ForbiddenEntry, NoCandidate, check_candidate
from executor.trial.command import Command, command_line
from executor.trial.examiner import Candidate, Examination, ExaminerDied, examine
from executor.trial.half import Half, open_half, own
from executor.trial.log_tail import last_line, tail
from executor.trial.spec import TrialSpec

# Enough for a compiler's caches, and few enough to be gone at once.
MAX_FILES = 50_000


def run_trial(
    spec: TrialSpec,
    folder: Path,
    sandbox: Sandbox,
    stopped: Callable[[], bool],
    begun: Callable[[], None],
) -> Trial:
    """Trains and examines in the new folder `folder`, which is gone afterwards. Calls `begun` at
    once.

    Raises Interrupted when `stopped()` becomes true, ServerDied when a server of warm starts was
    killed meanwhile. Servers are left for the next trial, and no other process in any case.
    """
    started = time.monotonic()
    begun()
    # With two examinations the candidate folder is copied.
    disk_mib = spec.disk_mib * (2 if spec.final else 1)
    with trial_folder(folder, disk_mib, MAX_FILES, mounted=sandbox.mounted):
        learnt = True
        try:
            trial = _train_then_examine(spec, folder, sandbox, stopped)
        except OSError as error:
            trial = Trial("crashed", "train", detail=f"the trial could not be set up: {error}")
            learnt = _is_of_the_codebase(error, sandbox)
        except ExaminerDied as error:
            trial = Trial("crashed", "examine", detail=str(error))
            learnt = False
        check_servers()
        return replace(
            trial,
            # Zero times say that nothing was learnt about the codebase.
            started=started if learnt else 0.0,
            ended=time.monotonic() if learnt else 0.0,
            log=tail(folder / "logs" / "train") + trial.log,
            sandbox=str(sandbox),
            frozen={name: _sha256(text) for name, text in spec.frozen.items()},
        )


def _is_of_the_codebase(error: OSError, sandbox: Sandbox) -> bool:
    """Whether the codebase caused the error: its file names clash, or it filled its disk. Any other
    error is the worker's."""
    names = (FileExistsError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, names) or (sandbox.mounted and error.errno == errno.ENOSPC)


def _train_then_examine(
    spec: TrialSpec, folder: Path, sandbox: Sandbox, stopped: Callable[[], bool]
) -> Trial:
    with open_half(spec, folder, "train", sandbox, stopped) as half:
        run = _train(half)
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

    try:
        check_candidate(folder / "train" / "candidate")
    except NoCandidate:
        detail = "training ended without leaving a folder candidate/"
        return replace(trained, status="crashed", detail=detail)
    except ForbiddenEntry as error:
        return replace(trained, status="rejected", stage="examine", detail=str(error))
    examined = _examined(trained, spec.held_out, "exam", folder, sandbox, spec, stopped)
    if spec.final is None or examined.status != "completed":
        return examined
    again = _examined(examined, spec.final, "final", folder, sandbox, spec, stopped)
    return replace(again, metrics=examined.metrics, final=again.metrics)


def _examined(
    trial: Trial,
    held_out: str | None,
    name: str,
    folder: Path,
    sandbox: Sandbox,
    spec: TrialSpec,
    stopped: Callable[[], bool],
) -> Trial:
    """The trial with what one examination of what training left adds to it."""
    begun = time.monotonic()
    with open_half(spec, folder, name, sandbox, stopped) as half:
        left, place = folder / "train" / "candidate", half.box.work / "candidate"
        if spec.final and name == "exam":
            # The second examination needs the folder as training left it.
            shutil.copytree(left, place)
            own(sandbox, [place, *place.rglob("*")])
        else:
            left.rename(place)
        result = _examine(half, held_out)
        return replace(
            trial,
            status=result.status,
            stage="done" if result.status == "completed" else "examine",
            metrics=result.metrics,
            detail=result.detail,
            log=trial.log + result.log,
            exam_log=trial.exam_log + tail(half.log_path) + result.exam_log,
            examine_s=trial.examine_s + time.monotonic() - begun,
            cpu_s=trial.cpu_s + half.meter.cpu_seconds(),
            memory_mib=max(trial.memory_mib, half.meter.peak_mib),
            disk_mib=max(trial.disk_mib, half.meter.disk_mib),
        )


def _train(half: Half) -> WatchedRun:
    spec = half.spec
    reader, writer = os.pipe()
    command = command_line(spec.entry, spec.preload, writer, half.sandbox, half.box)
    env = {
        "SEED": str(spec.seed),
        "DATA_DIR": places(half.sandbox, half.box)[1],
        "BUDGET_KIND": spec.budget_kind,
        "BUDGET_SECONDS": repr(spec.budget_seconds),
        "GPUS": str(spec.gpus),
    }
    limits = TimeLimits(
        spec.budget_kind,  # type: ignore[arg-type]
        spec.budget_seconds,
        spec.startup_seconds,
        spec.wall_limit,
    )
    process = None
    try:
        process = half.start(command, env=env, pass_fds=(writer,) if command.script else ())
        os.close(writer)
        writer = -1
        return watch(
            process,
            limits,
            meter=half.meter,
            clock_start=reader if command.script else None,
            stopped=half.stopped,
        )
    except OSError as error:
        os.write(half.log, f"{command.words[0]}: {error.strerror or error}\n".encode())
        return WatchedRun(127, "", 0.0, 0.0, 0.0)
    finally:
        processes.end_tree(process)
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def _failure(run: WatchedRun, half: Half) -> tuple[Status, str] | None:
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


def _examine(half: Half, held_out: str | None) -> Examination:
    spec = half.spec
    reader, writer = os.pipe()
    log = os.memfd_create("examiner")  # out of the candidate's reach
    command = Command(())
    if spec.candidate:
        command = command_line(
            spec.candidate, spec.candidate_preload, writer, half.sandbox, half.box
        )
        # Here, since the examiner, a fork, could not keep the server for later trials.
        half.server(command)
    limits = TimeLimits("cpu", spec.candidate_seconds, None, spec.examine_seconds)
    candidate = Candidate(
        half.box.work,
        command,
        half.start,
        half.log,
        half.log_path,
        pass_fds=(writer,) if command.script else (),
    )
    try:
        result = examine(
            Path(spec.evaluate),
            candidate,
            Path(held_out) if held_out else None,
            limits,
            meter=half.meter,
            clock_start=reader if command.script else None,
            stopped=half.stopped,
            log=log,
        )
        result = replace(result, exam_log=tail(Path(f"/proc/self/fd/{log}")))
    finally:
        for descriptor in (reader, writer, log):
            os.close(descriptor)
    if result.status == "crashed" and half.meter.out_of_memory():
        limit = half.box.limits.memory_mib
        return replace(result, detail=f"the candidate used over {limit} MiB of memory")
    return result


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
