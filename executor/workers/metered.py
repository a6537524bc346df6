"""Workers that measure how busy their slots are.

workers = Metered(LocalWorkers(slots=2, sandbox=sandbox))
workers.busy(since, until)       # slot-seconds spent in trials / all there were, 0..1
"""

from __future__ import annotations

from executor.clock import now
from executor.records import Job, Trial
from executor.scheduler import Workers
from executor.trial.spec import TrialSpec


class Metered:
    """Runs trials on other workers and keeps their times in memory."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.slots, self.sandbox = workers.slots, workers.sandbox
        self._ended: list[tuple[float, float]] = []
        self._running: list[float] = []

    @property
    def running(self) -> int:
        return len(self._running)

    async def start(self) -> None:
        await self._workers.start()

    async def run(self, job: Job, spec: TrialSpec) -> Trial:
        begun = now()
        self._running.append(begun)
        try:
            trial = await self._workers.run(job, spec)
        finally:
            self._running.remove(begun)
        # The transfer to the worker and back does not count as busy time.
        end = now()
        self._ended.append((max(begun, end - (trial.ended - trial.started)), end))
        return trial

    async def close(self) -> None:
        await self._workers.close()

    def busy(self, since: float, until: float) -> float:
        """The share of slot-seconds between two Unix times that trials took. Those under way count
        up to now, those that were cancelled or whose worker was lost do not."""
        trials = [*self._ended, *((begun, now()) for begun in self._running)]
        used = sum(max(0.0, min(end, until) - max(begun, since)) for begun, end in trials)
        return min(1.0, used / (self.slots * (until - since))) if until > since else 0.0
