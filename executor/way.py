"""An idea's way through the pipeline: what is known of it, and what is written beside it.

async with task_group() as way.writes:
    way.claim(write_idea)            # in a thread; what is written after it waits for it
    way.write(write_codebase)        # in a thread, one after the other
    await way.written()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from executor.records import Idea, Job, Outcome
from executor.store.threads import in_thread


@dataclass
class Way:
    """A trial of an idea; `is_known` where the store has the idea, `is_new` where it should not.
    `writes` are under way beside it, one after the other, and the first is what claims the idea;
    `kept` is its outcome once that is in the store."""

    key: str
    idea: Idea
    asked: Job
    is_known: bool = False
    is_new: bool = False
    writes: asyncio.TaskGroup = field(init=False)
    kept: Outcome | None = None
    _calls: list[Callable[[], None]] = field(default_factory=list)
    _claim: asyncio.Task[None] | None = None
    _writer: asyncio.Task[None] | None = None

    def claim(self, call: Callable[..., None], *args: object) -> None:
        """Calls it in a thread; all other writes come after it."""
        self._claim = self.writes.create_task(in_thread(call, *args))

    async def claimed(self) -> None:
        """Returns when the claim has been made, if there is one."""
        if self._claim is not None:
            await asyncio.shield(self._claim)

    def write(self, call: Callable[..., None], *args: object) -> None:
        """Calls it in a thread, once all before has been written."""
        self._calls.append(partial(call, *args))
        if self._writer is None or self._writer.done():
            self._writer = self.writes.create_task(self._write())

    async def _write(self) -> None:
        await self.claimed()
        while self._calls:
            calls, self._calls = self._calls, []
            await in_thread(_call_each, calls)

    async def written(self) -> None:
        """Returns when all of it has been."""
        await self.claimed()
        if self._writer is not None:
            await self._writer


def _call_each(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()
