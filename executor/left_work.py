"""Ideas that another process has left in a run with their code, and that nobody has executed.

async for key, idea, final in left_in(run, seen):       # not those whose keys are in `seen`
    ...
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from executor.records import Idea
from executor.store.runs import RunFolder
from executor.store.threads import in_thread


async def left_in(run: RunFolder, seen: set[str]) -> AsyncIterator[tuple[str, Idea, bool]]:
    """Each with its key, and whether it is for the final part of the held-out data.

    Adds to `seen` what has an outcome. Raises StoreError.
    """
    for key in set(await in_thread(run.trials)) - seen:
        # One by one: what was left can wait for what is asked for.
        if await in_thread(run.outcome, key) is not None:
            seen.add(key)
        elif (left := await in_thread(_with_code, run, key)) and key not in seen:
            yield key, *left


def _with_code(run: RunFolder, key: str) -> tuple[Idea, bool] | None:
    idea = run.idea(key)
    if idea is None or run.codebase(key) is None:
        return None
    job = run.job(key)
    return idea, job is not None and job.final
