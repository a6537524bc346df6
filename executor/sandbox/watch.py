"""The clock of a process tree: waits for it, charges its time, and tells the caller when to end it.

    run = watch(process, TimeLimits("cpu", 20.0, startup_s=60.0, wall_s=120.0), meter=meter)
    run.exit_code, run.charged_s, run.reason   # None, 20.01, "the budget of 20 cpu seconds was …"

Nothing is ended here: the caller ends the tree.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from executor.processes import processes
from executor.sandbox.meter import Meter

POLL_S = 0.05
# By so many seconds a group's CPU account may lag behind that of a process in it.
METER_LAG_S = 0.5
# The most CPU seconds that the set-up of a box is granted free of charge.
BOX_S = 1.0


class Interrupted(Exception):
    """The owner of this work is gone, or wants it stopped."""


@dataclass(frozen=True)
class TimeLimits:
    """When a run must end: `seconds` of `kind` after its clock started, `wall_s` in any case.

    The wall time counts from the clock's start, which is due after `startup_s`; where that is None,
    from the very beginning.
    """

    kind: Literal["wall", "cpu"]
    seconds: float
    startup_s: float | None
    wall_s: float


@dataclass(frozen=True)
class WatchedRun:
    """How a watched process ended. `exit_code` is None when a limit ended it: `reason` says which
    limit of time, `excess` which other one.

    Times in seconds: `startup_s` wall time until the clock started, `charged_s` what counted.
    """

    exit_code: int | None
    reason: str
    startup_s: float
    charged_s: float
    wall_s: float
    excess: str = ""


def watch(
    process: processes.Process,
    limits: TimeLimits,
    *,
    meter: Meter,
    clock_start: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> WatchedRun:
    """Waits for `process`, charging its whole tree by `meter`; returns at its end or at a limit.

    `clock_start` is a descriptor on which the prelude writes the CPU seconds spent so far when the
    clock starts; without one the clock runs from the beginning. Raises Interrupted when `stopped`
    says so; the caller ends the tree.
    """
    begun = time.monotonic()
    started, free = (begun, 0.0) if clock_start is None else (None, 0.0)
    exit_fd = processes.exit_descriptor(process) if processes.LINUX else None
    try:
        while True:
            ended = process.poll() is not None
            now = time.monotonic()
            if started is None and clock_start is not None:
                ready = select.select([clock_start], [], [], 0)[0]
                if ready and (text := os.read(clock_start, 64)):
                    started, free = now, _free(text, meter.cpu_seconds())
                elif limits.startup_s is not None and now - begun > limits.startup_s:
                    started = now  # too slow a start is charged from here on
                    free = meter.cpu_seconds()
            charged = 0.0
            if started is not None:
                wall = limits.kind == "wall"
                charged = now - started if wall else max(0.0, meter.cpu_seconds() - free)
            run = WatchedRun(None, "", (started or now) - begun, charged, now - begun)
            if charged > limits.seconds:
                reason = f"the budget of {limits.seconds:g} {limits.kind} seconds was used up"
                return replace(run, reason=reason)
            wall_from = begun if limits.startup_s is None else started
            if wall_from is not None and now - wall_from > limits.wall_s:
                return replace(run, reason=f"still running after {limits.wall_s:g} wall seconds")
            if ended:
                return replace(run, exit_code=process.returncode)
            if excess := meter.excess():
                return replace(run, excess=excess)
            if stopped():
                raise Interrupted
            _wait(exit_fd, clock_start if started is None else None, limits, charged)
    finally:
        if exit_fd is not None:
            os.close(exit_fd)


def _free(text: bytes, used: float) -> float:
    """Of the CPU seconds `used`, those that are not charged: what a process says that its imports
    took, and the set-up of its box. Where it says more than was used, hardly more is believed."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    if not seconds > 0.0:  # false for NaN
        return 0.0
    return min(max(seconds, min(used, seconds + BOX_S)), used + METER_LAG_S)


def _wait(exit_fd: int | None, clock_start: int | None, limits: TimeLimits, charged: float) -> None:
    """Sleeps until the process ends, the clock starts, or it is time to look at the budget."""
    pause = POLL_S if charged < limits.seconds - 2 * POLL_S else POLL_S / 5
    watched = [fd for fd in (exit_fd, clock_start) if fd is not None]
    select.select(watched, [], [], pause if exit_fd is not None else pause / 5)
