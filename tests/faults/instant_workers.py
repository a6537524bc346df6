"""Workers that measure a codebase of the tiny problem by reading it: a thousand trials a second."""

from __future__ import annotations

import asyncio
import time

from executor import Idea
from executor.records import Job, Trial
from executor.sandbox import choose
from executor.trial.spec import TrialSpec
from tests.executor.runs import idea

SLOTS = 2


class InstantWorkers:
    """`examined` counts nothing twice: one entry a trial."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.slots, self.sandbox = SLOTS, choose("none")
        self.seconds = seconds
        self.examined: list[int] = []

    async def start(self) -> None:
        pass

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        started = time.monotonic()
        await asyncio.sleep(self.seconds)
        value = int(spec.files["settings.py"].split()[2])
        self.examined.append(value)
        metrics = {"value": float(value)}
        return Trial("completed", "done", metrics=metrics, started=started, ended=time.monotonic())

    async def close(self) -> None:
        pass


def batch(count: int) -> list[Idea]:
    """Ideas with the rewards 20, 21, …"""
    return [idea(f"i{n:02}", 20 + n) for n in range(count)]
