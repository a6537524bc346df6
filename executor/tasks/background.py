"""Coroutines on an event loop in a thread of its own; what still runs when it closes is cancelled.

background = Background("executor")
future = background.start(trial())        # from any thread
background.close(workers.close)           # all are over; then it waits for this, too
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class Background:
    """`closed` becomes true when closing begins."""

    def __init__(self, name: str) -> None:
        self.closed = False
        self._tasks: set[asyncio.Task] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[None, None, T]) -> concurrent.futures.Future[T]:
        """Runs a coroutine until it ends or this closes; cancelling the future cancels it."""

        async def tracked() -> T:
            if self.closed:
                # A task that starts after all were cancelled would go on during the shutdown.
                coroutine.close()
                raise asyncio.CancelledError
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                return await coroutine
            except Exception:
                if task.cancelling():
                    # Nobody asks for its error any more: asyncio would print it.
                    raise asyncio.CancelledError from None
                raise
            finally:
                self._tasks.discard(task)

        return asyncio.run_coroutine_threadsafe(tracked(), self._loop)

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Cancels what runs, waits for it and then for `last`, and ends the thread."""
        self.closed = True
        asyncio.run_coroutine_threadsafe(self._shut_down(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut_down(self, last: Callable[[], Awaitable[None]]) -> None:
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*set(self._tasks), return_exceptions=True)
        await last()
        await self._loop.shutdown_default_executor()
