"""The threads in which stores are asked: an event loop never waits for one.

outcome = await in_thread(run.outcome, key)          # from async code
outcomes = in_threads(run.outcome, run.trials())     # many at once, from any other code
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")

# A call to a bucket is all waiting, and a file system takes fewer at once by itself.
THREADS = 32
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a call returns or raises. It is made in any case, and who is cancelled meanwhile waits
    for its end: a lock is released, and nothing is written any more when a task is over."""
    answer = _pool.submit(call, *args, **kwargs)
    try:
        await _ended(answer)
    except asyncio.CancelledError:
        while not answer.done():
            with suppress(asyncio.CancelledError):
                await _ended(answer)
        raise
    return answer.result()


async def _ended(answer: Future[T]) -> None:
    """Returns when a thread is done; cancelling it leaves the thread alone."""
    # A third of the work of asyncio's own futures, a dozen times an idea.
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def tell(_: Future[T]) -> None:
        # Where the loop has ended, nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    answer.add_done_callback(tell)
    await woken


def in_threads(call: Callable[[A], T], each: Iterable[A]) -> list[T]:
    """What a call returns for each argument, in their order."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="store") as threads:
        return list(threads.map(call, each))
