"""A language model as a run uses it: limited, within its budget, and never asked the same twice.

    llm = open_llm(settings, Journal(f"{run.url}/llm/ideator"))
    response = await llm.complete(request)
    await llm.close()

The same request again is answered from the journal, by this process and by the next one. For
another answer, ask for another `sample`. The provider's SDK is imported when the first request has
to be sent, in a thread: trials run meanwhile.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from weakref import WeakValueDictionary

from executor.llm.anthropic_client import AnthropicClient, has_key
from executor.llm.budget import RequestBudget
from executor.llm.client import Client, require_sdk
from executor.llm.failures import Failed
from executor.llm.journal import Journal, JournalEntry
from executor.llm.limits import RateLimits
from executor.llm.meter import NOTHING, CallMeter, Charge, charge_of
from executor.llm.openai_client import OpenAIClient, openai_key
from executor.llm.records import LLM, LLMError, Request, Response
from executor.llm.replay import Recording
from executor.llm.retries import Retries
from executor.llm.settings import LLMBudget, LLMSettings, check
from executor.store.threads import in_thread


def open_llm(settings: LLMSettings, journal: Journal, section: str = "llm") -> LLM:
    """`section` is where the recipe has the settings, for messages.

    Raises UserError for settings that do not go together and a missing package, LLMError for a
    missing key or recording."""
    check(settings)
    if settings.api == "replay":
        return Recording(settings)
    return _JournalledLLM(_known(settings), settings, journal, section)


def _known(settings: LLMSettings) -> Client | None:
    """The client, where only it can tell that a key is missing; raises UserError, LLMError."""
    require_sdk(settings.api)
    if settings.api == "openai":
        openai_key(settings)
        return None
    return None if has_key(settings) else _client(settings)


def _client(settings: LLMSettings) -> Client:
    return (AnthropicClient if settings.api == "anthropic" else OpenAIClient)(settings)


class _JournalledLLM:
    def __init__(
        self, client: Client | None, settings: LLMSettings, journal: Journal, section: str
    ) -> None:
        self._client, self._settings, self._journal = client, settings, journal
        self._section = section
        self._limits = RateLimits(settings)
        self._retries = Retries(settings.tries)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._opening, self._counting = asyncio.Lock(), asyncio.Lock()
        self._budget: RequestBudget | None = None

    async def _opened(self) -> Client:
        """Opened at the first request."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_client, self._settings)
        return self._client

    async def _counted(self) -> RequestBudget:
        """Counted at the first request, when no other process spends any more."""
        async with self._counting:
            if self._budget is None:
                limits = self._settings.budget
                is_limited = limits != LLMBudget()
                spent = await in_thread(self._journal.spent) if is_limited else NOTHING
                self._budget = RequestBudget(limits, spent, self._section)
        return self._budget

    async def complete(self, request: Request) -> Response:
        key = self._settings.key(request)
        # Of two that ask the same at once, one waits and finds the answer.
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            kept = await in_thread(self._journal.response, key)
            if kept is not None:
                return kept
            return await self._retries.until_answered(lambda: self._attempt(key, request))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _attempt(self, key: str, request: Request) -> Response:
        """One attempt: its worst case is set aside and on record before it is sent."""
        prices = self._settings.prices
        meter = CallMeter(request, self._settings)
        worst = charge_of(meter.worst, prices)
        async with self._limits.turn(request) as turn:
            self._retries.check()
            client = await self._opened()
            budget = await self._counted()
            await budget.reserve(worst)

            def settle(*, calls: int = 0) -> Charge:
                """What the attempt comes to; `calls` at least, whatever its server counts."""
                charge = charge_of(meter.at_most, prices)
                charge = replace(charge, calls=max(calls, charge.calls))
                budget.settle(worst, charge)
                return charge

            begun: list[JournalEntry] = []
            try:
                await in_thread(lambda: begun.append(self._journal.begin(key, request, worst)))
            except BaseException:
                meter.nothing()
                await self._failed(key, begun, settle(), "it was never sent")
                raise
            try:
                response = await client.ask(request, meter)
            except (Exception, asyncio.CancelledError) as error:
                # Errors of other libraries may quote text that contains keys.
                known = isinstance(error, Failed | LLMError)
                why = str(error) if known else type(error).__name__
                await self._failed(key, begun, settle(), why)
                raise
            turn.usage = response.usage
            charge = settle(calls=1)
            return await in_thread(self._journal.answered, key, begun[0], charge, response)

    async def _failed(self, key: str, begun: list[JournalEntry], charge: Charge, why: str) -> None:
        for entry in begun:
            await in_thread(self._journal.failed, key, entry, charge, why)
