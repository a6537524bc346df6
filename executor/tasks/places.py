"""Places for so many at a time, in the order of priority.

places = Places(4)
async with places.one(priority, submitted_at):
    ...                                        # the highest priority first, then the oldest
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """Belongs to one event loop."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._queue: list[tuple[int, float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def one(self, priority: int, submitted_at: float) -> AsyncIterator[None]:
        """Waits for a place and holds it; whoever is cancelled holds none."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (-priority, submitted_at, next(self._order), turn))
        self._hand_out()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._hand_out()

    def _hand_out(self) -> None:
        while self._queue and self._free:
            turn = heapq.heappop(self._queue)[-1]
            if not turn.cancelled():
                self._free -= 1
                turn.set_result(None)
