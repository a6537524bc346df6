"""Places for so many at a time, in the order of priority.

places = Places(4)
async with places.one(priority, submitted_at):
    ...                                        # the highest priority first, then the oldest

A place may be taken in parts; who is next waits until its part is free, and all others behind it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction


class Places:
    """Belongs to one event loop."""

    def __init__(self, number: int) -> None:
        self._free = Fraction(number)
        self._queue: list[tuple[int, float, int, Fraction, asyncio.Future[None]]] = []
        self._order = itertools.count()

    @asynccontextmanager
    async def one(
        self, priority: int, submitted_at: float, part: Fraction = Fraction(1)
    ) -> AsyncIterator[None]:
        """Waits for a place, or a part of one, and holds it; whoever is cancelled holds none."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (-priority, submitted_at, next(self._order), part, turn))
        self._hand_out()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += part
            self._hand_out()

    def _hand_out(self) -> None:
        while self._queue:
            *_, part, turn = self._queue[0]
            if not turn.cancelled():
                if part > self._free:
                    return
                self._free -= part
                turn.set_result(None)
            heapq.heappop(self._queue)
