"""The examination: the examiner asks questions, the candidate answers, only the examiner scores.

A problem's `evaluate.py` is trusted and has one function:

    def examine(candidate: Candidate, held_out: Path) -> dict[str, float]:
        labels_N = candidate.ask(images_ND, shape=(len(images_ND),), dtype="int64")
        return {"accuracy": float((labels_N == truth_N).mean())}

It runs in a process of its own (a fork of the worker), starts the candidate locked in and talks to
it through `exam_pipe` alone. Modules beside `evaluate.py` are imported by their names. Nothing of
the candidate is imported or unpickled here. What the candidate prints before it is asked anything
goes to the trial's log; from then on it knows inputs of the examination, and no ideator may read
what it prints. What the examiner itself prints has a log of its own, which the candidate cannot
fill.
"""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from executor.data.script import Script, load_script
from executor.processes import processes
from executor.records import Status
from executor.sandbox.meter import Meter
from executor.sandbox.watch import TimeLimits, watch
from executor.trial.command import Command
from executor.trial.log_tail import last_line, tail

if TYPE_CHECKING:
    import numpy as np


class Rejected(ValueError):
    """The candidate broke a rule of the examination."""


class CandidateDied(Exception):
    """The candidate ended without answering."""


class ExaminerDied(Exception):
    """The examiner itself was killed, which says nothing about the candidate."""


class Candidate:
    """The candidate as `evaluate.py` sees it. `folder` is what training left: plain files only."""

    def __init__(
        self,
        work: Path,
        command: Command,
        start: Callable[..., processes.Process],
        log: int,
        log_path: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.folder = work / "candidate"
        self.first_log = ""
        self._command, self._start_locked_in, self._log = command, start, log
        self._log_path, self._pass_fds = log_path, tuple(pass_fds)
        self._process: processes.Process | None = None

    def ask(
        self,
        question: np.ndarray,
        *,
        shape: tuple[int, ...],
        dtype: str,
        low: float | None = None,
        high: float | None = None,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Sends one array and returns the one array that answers it.

        The process is started by the first question. Raises Rejected when the answer is not a
        frame of `shape` and `dtype`, holds a number that is not finite, or one outside `low` to
        `high`; CandidateDied when there is none. With `out`, an array of that shape and dtype, the
        answer is written there, and the caller must check for non-finite values.
        """
        import numpy as np

        from executor.trial.exam_pipe import BrokenFrame, read_array, write_array

        if self._process is None:
            self._start()
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        try:
            write_array(self._questions, question)
            answer = read_array(self._answers, expected, self._shared, out)
        except BrokenPipeError:
            answer = None
        except BrokenFrame as error:
            if self._ended() not in (None, 0):
                raise CandidateDied(self._how_it_ended()) from None
            # What it claimed goes to the log of the examination: a reason that names the
            # candidate's own numbers would carry questions out to the ideator.
            print(f"a broken frame: {error}", flush=True)
            raise Rejected("the candidate broke the protocol; see exam_log.txt") from None
        if answer is None:
            raise CandidateDied(self._how_it_ended())
        _validate(answer, shape, dtype, low, high, finite=out is None)
        return answer

    def _start(self) -> None:
        """Starts the process and waits until it says that it is ready to be asked."""
        from executor.trial.exam_pipe import MAGIC

        reader, writer = os.pipe()
        self._shared = os.memfd_create("exam")
        try:
            self._process = self._start_locked_in(
                self._command,
                env={"EXAM_ANSWERS": str(writer), "EXAM_SHARED": str(self._shared)},
                stdin=subprocess.PIPE,
                pass_fds=(writer, self._shared, *self._pass_fds),
            )
        except OSError as error:
            raise CandidateDied(f"the candidate does not start: {error}") from None
        finally:
            os.close(writer)
        self._questions = cast(BinaryIO, self._process.stdin)
        self._answers = os.fdopen(reader, "rb")
        ready = self._answers.read(len(MAGIC))
        self.first_log = tail(self._log_path)
        if not ready:
            code = self._ended()
            line = last_line(self.first_log) or (processes.how_it_ended(code) if code else "")
            raise CandidateDied(f"the candidate ended before the first question: {line}")
        if ready != MAGIC:
            raise Rejected("the candidate broke the protocol: it did not say that it is ready")

    def _ended(self) -> int | None:
        """The exit code; None when the process only closed its side."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(0.2)
        return None

    def _how_it_ended(self) -> str:
        code = self._ended()
        how = "closed its pipe" if code is None else processes.how_it_ended(code)
        print(f"the candidate {how}", flush=True)
        return "the candidate ended without answering; see exam_log.txt"


def _validate(
    answer: np.ndarray,
    shape: tuple[int, ...],
    dtype: str,
    low: float | None,
    high: float | None,
    finite: bool,
) -> None:
    import numpy as np

    if answer.shape != tuple(shape) or answer.dtype != dtype:
        print(f"an answer of {answer.dtype}{list(answer.shape)}", flush=True)
        raise Rejected(f"the candidate answered otherwise than {dtype}{list(shape)}")
    if finite and answer.dtype.kind == "f" and not np.isfinite(answer).all():
        raise Rejected("the candidate answered with a number that is not finite")
    if answer.size and low is not None and answer.min() < low:
        raise Rejected(f"the candidate answered less than {low:g}")
    if answer.size and high is not None and answer.max() > high:
        raise Rejected(f"the candidate answered more than {high:g}")


@dataclass(frozen=True)
class Examination:
    """How an examination ended: metrics, or a status with the reason. `log` is what the candidate
    printed before it was asked anything, `exam_log` what the examiner printed."""

    status: Status
    metrics: Mapping[str, float]
    detail: str
    log: str = ""
    exam_log: str = ""


def examine(
    evaluate: Path,
    candidate: Candidate,
    held_out: Path | None,
    limits: TimeLimits,
    *,
    meter: Meter,
    clock_start: int | None,
    stopped: Callable[[], bool],
    log: int,
) -> Examination:
    """Runs `evaluate.py` in a forked process within `limits`: wall time in all, and CPU seconds, so
    that no candidate can continue its training.

    `clock_start` is a descriptor on which the candidate reports the CPU seconds of its imports, see
    `watch`; `log` is a descriptor for what the examiner prints. Raises ExaminerDied.
    """
    with suppress(Exception, SystemExit):
        # Loaded here once for all later trials; the fork reports any error.
        load_evaluate(evaluate)
    with os.fdopen(os.memfd_create("examination"), "w+") as file:
        pid = processes.fork(lambda: _report(evaluate, candidate, held_out, file, log))
        try:
            run = watch(_Forked(pid), limits, meter=meter, clock_start=clock_start, stopped=stopped)
        finally:
            processes.end_tree()
        if run.excess:
            return Examination("crashed", {}, f"the candidate used {run.excess}")
        if run.exit_code is None and run.charged_s > limits.seconds:
            detail = f"the candidate used over {limits.seconds:g} CPU seconds"
            return Examination("timeout", {}, detail)
        if run.exit_code is None:
            return Examination("timeout", {}, f"the examination took over {limits.wall_s:g} s")
        file.seek(0)
        text = file.read()
    if not text:
        raise ExaminerDied(f"the examiner {processes.how_it_ended(run.exit_code)}")
    return Examination(**json.loads(text))


@lru_cache(maxsize=8)
def load_evaluate(path: Path) -> Script:
    """An `evaluate.py`, ready to examine. Raises AttributeError when it has no such function."""
    script = load_script(path)
    _ = script.module.examine
    return script


class _Forked:
    """A forked process, with the members of Popen that are used of it."""

    stdin = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._reap(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int:
        assert timeout is None
        return cast(int, self._reap(0))

    def _reap(self, flags: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode


def _report(
    evaluate: Path, candidate: Candidate, held_out: Path | None, file: IO[str], log: int
) -> None:
    """Runs in the forked examiner: examines, and writes the result to `file` as JSON."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # Or the collector would search, and so copy, what the worker has.
    gc.freeze()
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        script = load_evaluate(evaluate)
        with script.imports():
            measured = script.module.examine(candidate, held_out)
        metrics = {name: float(value) for name, value in measured.items()}
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            result = Examination("rejected", {}, f"the metric {bad[0]} is not finite")
        else:
            result = Examination("completed", metrics, "")
    except CandidateDied as error:
        result = Examination("crashed", {}, str(error)[:2000])
    except ValueError as error:
        result = Examination("rejected", {}, str(error)[:2000])
    except BaseException as error:
        result = Examination(
            "crashed", {}, f"evaluate.py raised {type(error).__name__}: {error}"[:2000]
        )
    json.dump({**result.__dict__, "log": candidate.first_log}, file)
    file.flush()
