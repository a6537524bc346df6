"""One machine's GPUs by turns: a model writes the answers of a step, and sleeps while they run.

    turns = start_turns("first")                          # the launcher
    await connect("first").begin_trial.remote(step)       # each answer, before it is executed
    ray.get(turns.written.remote(step, 128))              # the trainer; its model sleeps from here
    ray.get(turns.let_run.remote(step))                   # the trainer; now the answers run

An actor of Ray's. It ends with the driver of the job, and the job with it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import cache
from typing import Any

import ray

_ANSWERS_AT_ONCE = 100_000


class Turns:
    """Whose turn it is, by step."""

    def __init__(self) -> None:
        self._waiting: Counter[int] = Counter()
        self._may_run: set[int] = set()
        self._changed = asyncio.Condition()

    async def begin_trial(self, step: int) -> None:
        """Says that an answer of a step is written; returns when the trials have their turn."""
        async with self._changed:
            self._waiting[step] += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: step in self._may_run)

    async def written(self, step: int, answers: int) -> None:
        """Returns when that many answers of a step are written."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting[step] >= answers)

    async def let_run(self, step: int) -> None:
        """Gives the trials of a step their turn."""
        async with self._changed:
            self._may_run.add(step)
            self._changed.notify_all()


def start_turns(run: str) -> Any:
    """The actor of a run."""
    actor: Any = ray.remote(Turns)
    options = {"num_cpus": 0, "max_concurrency": _ANSWERS_AT_ONCE}
    return actor.options(name=_name(run), **options).remote()


@cache
def connect(run: str) -> Any:
    """The actor of a run of this Ray job."""
    return ray.get_actor(_name(run))


def _name(run: str) -> str:
    return f"turns of {run}"
