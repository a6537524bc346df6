"""How fast a provider may be asked: requests at a time, requests and tokens a minute.

limits = RateLimits(settings)
async with limits.turn(request) as turn:
    turn.usage = …           # what it came to, for the next ones
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass

from executor.llm.records import Request, Usage
from executor.llm.settings import LLMSettings

# A bucket holds this much of a minute: providers count over shorter times than a minute, too.
_BURST_S = 10.0
# English and code have about four bytes a token: a guess, put right when the answer is there.
_BYTES_A_TOKEN = 4


class TokenBucket:
    """`per_minute` of something, in bursts of at most ten seconds' worth."""

    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60
        self._capacity = max(1.0, self._rate * _BURST_S)
        self._level, self._updated = self._capacity, time.monotonic()
        self._first_come = asyncio.Lock()

    async def take(self, amount: float) -> None:
        """Waits until there is so much; what exceeds a whole bucket is owed."""
        async with self._first_come:
            while (missing := min(amount, self._capacity) - self._now()) > 0:
                await asyncio.sleep(missing / self._rate)
            self._level -= amount

    def put_right(self, amount: float) -> None:
        """Takes so much more without waiting, or gives it back."""
        self._level -= amount

    def _now(self) -> float:
        now = time.monotonic()
        self._level = min(self._capacity, self._level + (now - self._updated) * self._rate)
        self._updated = now
        return self._level


@dataclass
class Permit:
    """`usage` is set once it is known."""

    usage: Usage | None = None


class RateLimits:
    """Belongs to one event loop."""

    def __init__(self, settings: LLMSettings) -> None:
        self._slots = asyncio.Semaphore(settings.concurrency)
        requests, tokens = settings.requests_per_minute, settings.tokens_per_minute
        self._requests = TokenBucket(requests) if requests else None
        self._tokens = TokenBucket(tokens) if tokens else None

    @asynccontextmanager
    async def turn(self, request: Request) -> AsyncIterator[Permit]:
        """Entered when one more request may be sent."""
        async with self._slots:
            if self._requests:
                await self._requests.take(1)
            guess = _tokens(request)
            if self._tokens:
                await self._tokens.take(guess)
            turn = Permit()
            yield turn
            if self._tokens and turn.usage:
                self._tokens.put_right(sum(astuple(turn.usage)) - guess)


def _tokens(request: Request) -> int:
    texts = (request.system, request.shared, *(message.text for message in request.messages))
    return sum(map(len, texts)) // _BYTES_A_TOKEN + 1
