"""Another attempt where one has failed: later each time, at a random moment, and never before the
server wants it.

    response = await Retries(tries=6).until_answered(attempt)    # raises NoReply, LLMError
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from executor.llm.failures import Failed
from executor.llm.records import BudgetSpent, LLMError, NoReply

T = TypeVar("T")

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
# A server that wants longer than this has no answer in reasonable time.
_LONGEST_RETRY_AFTER_S = 600.0
# A dead server must not cost tries * timeout_s.
_TIMEOUTS = 2
# A server that has never answered is given up early: after about three seconds of refusals.
_TRIES_WITHOUT_SERVER = 4
# After so many requests in a row without any answer, the next ones would waste ideas.
_HOPELESS = 10


class Retries:
    """For the requests of one run. Each attempt asks `check` before it sends anything."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._fatal = ""
        self._in_vain = 0
        self._server_known = False

    async def until_answered(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first answer. Raises NoReply after the last attempt, LLMError."""
        timeouts = 0
        for number in range(1, self._tries + 1):
            try:
                answer = await attempt()
            except Failed as failure:
                timeouts += failure.timed_out
                self._server_known |= not failure.no_server
                if not self._server_known and number >= min(self._tries, _TRIES_WITHOUT_SERVER):
                    self._fatal = f"{failure}; start the server, or set llm.base_url to another"
                    raise LLMError(self._fatal) from None
                last = number == self._tries or timeouts == _TIMEOUTS or not failure.again
                if last or (failure.after_s or 0) > _LONGEST_RETRY_AFTER_S:
                    raise self._gave_up(failure, number) from None
                await asyncio.sleep(delay_s(number, failure.after_s))
            except BudgetSpent:
                raise
            except LLMError as error:
                self._fatal = str(error)
                raise
            else:
                self._in_vain, self._server_known = 0, True
                return answer
        raise AssertionError("tries is at least 1")

    def check(self) -> None:
        """Raises LLMError when another request has met what is fatal for all."""
        if self._fatal:
            raise LLMError(self._fatal)

    def _gave_up(self, failure: Failed, attempts: int) -> Exception:
        self._in_vain += 1
        times = f" ({attempts} attempts)" if attempts > 1 else ""
        if self._in_vain < _HOPELESS:
            return NoReply(f"{failure}{times}")
        self._fatal = f"{_HOPELESS} requests in a row have had no answer; the last: {failure}"
        return LLMError(self._fatal)


def delay_s(attempts: int, after_s: float | None) -> float:
    """The wait after so many failed attempts: twice as long each time, up to a half shorter at
    random so that many do not come back at once; after `after_s` in any case."""
    longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (attempts - 1))
    spread = random.uniform(0.5, 1.0) * longest
    return spread if after_s is None else after_s + random.uniform(0, 0.1) * max(after_s, 1.0)
