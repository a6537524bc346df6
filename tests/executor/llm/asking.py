"""A language model for tests: the real one, as a run uses it, against a server of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.llm.records import LLM, Message, Request, Response
from executor.llm.settings import LLMSettings
from executor.settings import convert
from tests.llm_servers import LLMServer

T = TypeVar("T")

APIS = ("anthropic", "openai")
KEY = "sk-very-secret-0123456789"


def question(text: str = "hello", *, sample: int = 0, shared: str = "") -> Request:
    return Request("implement", "You write code.", shared, (Message("user", text),), sample)


def settings_for(api: str, server: LLMServer, **fields: Any) -> LLMSettings:
    raw = {"api": api, "model": "test-model", "base_url": server.url, "timeout_s": 30, **fields}
    return convert(raw, LLMSettings)


@asynccontextmanager
async def opened(settings: LLMSettings, journal: Path) -> AsyncIterator[LLM]:
    llm = open_llm(settings, Journal(journal))
    try:
        yield llm
    finally:
        await llm.close()


def with_llm(settings: LLMSettings, journal: Path, use: Callable[[LLM], Awaitable[T]]) -> T:
    """What `use` returns, in an event loop of its own."""

    async def main() -> T:
        async with opened(settings, journal) as llm:
            return await use(llm)

    return asyncio.run(main())


def ask(settings: LLMSettings, journal: Path, *requests: Request) -> list[Response]:
    """The answers to all, asked at once."""

    async def all_at_once(llm: LLM) -> list[Response]:
        return list(await asyncio.gather(*map(llm.complete, requests)))

    return with_llm(settings, journal, all_at_once)
