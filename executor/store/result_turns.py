"""One at a time runs a codebase, in this process and in others on the same store.

turns = ResultTurns(store)
async with turns.one(content) as turn:
    turn.found                     # its earlier result, if it has one; else the caller makes one
    turn.keep(result)              # in a thread
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from executor.store.kept_result import KeptResult
from executor.store.runs import Store
from executor.store.storage import Lock
from executor.store.threads import in_thread

_LOCK_POLL_S = 0.1


@dataclass
class ResultTurn:
    """A codebase's turn on the store, while there is a `lock`; `found` is its earlier result."""

    store: Store
    content: str
    lock: Lock | None = None
    found: KeptResult | None = None

    def take(self) -> bool:
        self.lock = self.store.lock_result(self.content)
        if self.lock is not None:
            self.found = self.store.result(self.content)
        return self.lock is not None

    def keep(self, result: KeptResult) -> None:
        if self.lock is not None:
            self.store.keep_result(result, self.lock)

    def release(self) -> None:
        """Lets others have their turn."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None


class ResultTurns:
    """Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def one(self, content: str) -> AsyncIterator[ResultTurn]:
        """The turn of the codebase with the hash `content`; raises StoreError."""
        others = self._turns.setdefault(content, asyncio.Lock())
        turn = ResultTurn(self._store, content)
        async with others:
            try:
                while not await in_thread(turn.take):
                    await asyncio.sleep(_LOCK_POLL_S)
                yield turn
            finally:
                if turn.lock is not None:
                    await in_thread(turn.release)
