"""The threads in which stores are asked: an event loop never waits for one.

outcome = await in_thread(run.outcome, key)          # from async code
outcomes = in_threads(run.outcome, run.trials())     # many at once, from any other code
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
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
    answer = asyncio.get_running_loop().run_in_executor(_pool, partial(call, *args, **kwargs))
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        while not answer.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([answer])
        # Looked at, so that asyncio does not print what concerns nobody any more.
        answer.exception()
        raise


def in_threads(call: Callable[[A], T], each: Iterable[A]) -> list[T]:
    """What a call returns for each argument, in their order."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="store") as threads:
        return list(threads.map(call, each))
