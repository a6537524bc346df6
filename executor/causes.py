"""What led to an error, for `--debug` and for the run's errors.log.

cause_of(error)             # the traceback, with the errors behind a one-line message
keep_cause(error, run)      # adds it to errors.log
await watched(work, run)    # does both for work that nobody waits for
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from executor.errors import StoreError
from executor.llm.secrets import without_keys
from executor.store.threads import in_thread
from executor.text.outside_text import clean_line, clean_text

if TYPE_CHECKING:
    from executor.store.runs import RunFolder

LONGEST_CAUSE = 100_000
_log = logging.getLogger(__name__)


def cause_of(error: BaseException) -> str:
    """The traceback of an error, cleaned and without keys.

    Args:
        error: whatever was raised. What it hides with `from None` is shown, too.

    Returns:
        Lines, of at most LONGEST_CAUSE characters together.
    """
    told = traceback.TracebackException.from_exception(error)
    _show_context(told)
    return clean_text(without_keys("".join(told.format())).rstrip(), LONGEST_CAUSE)


def keep_cause(error: BaseException, run: RunFolder) -> None:
    """Adds what led to an error to the run's errors.log, where the store can be written."""
    cause = cause_of(error)
    _log.debug("%s", cause)
    # A store that is away is often the very error.
    with suppress(StoreError):
        run.log_error(cause)


async def watched(work: Callable[[], Awaitable[Any]], run: RunFolder) -> None:
    """Does work that nobody waits for: logs its error, and keeps the cause."""
    try:
        await work()
    except Exception as error:
        _log.error("work in the background failed: %s", clean_line(str(error), 500))
        await in_thread(keep_cause, error, run)


def _show_context(told: traceback.TracebackException) -> None:
    told.__suppress_context__ = False
    for behind in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if behind is not None:
            _show_context(behind)
