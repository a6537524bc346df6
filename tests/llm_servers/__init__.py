"""Servers on 127.0.0.1 that speak the real protocols of language models, and fail as real ones do.

    with serve("anthropic", lambda asked: Reply(f"echo: {asked.text}")) as server:
        settings = LLMSettings(api="anthropic", model="test", base_url=server.url)
        ...
        server.asked          # every request that arrived, in order

The answer is a Reply or a Fault; `random_faults` mixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from tests.llm_servers import anthropic_api, openai_api
from tests.llm_servers.http_server import HttpServer
from tests.llm_servers.script import Answer, Asked, Fault, Reply, random_faults

__all__ = ["Answer", "Asked", "Fault", "LLMServer", "Reply", "random_faults", "serve"]


class LLMServer(HttpServer):
    """`url` is the base URL for the SDK. `key` and `model`, where set, are the only right ones."""

    def __init__(self, api: Literal["anthropic", "openai"], answer: Callable[[Asked], Answer]):
        self.asked: list[Asked] = []
        self.key: str | None = None
        self.model: str | None = None
        protocol = {"anthropic": anthropic_api.Protocol, "openai": openai_api.Protocol}[api]
        super().__init__(protocol(self, answer).handle)
        self.url = self.address + ("/v1" if api == "openai" else "")


@contextmanager
def serve(
    api: Literal["anthropic", "openai"], answer: Callable[[Asked], Answer]
) -> Iterator[LLMServer]:
    """A server in a thread of this process, until the block ends."""
    server = LLMServer(api, answer)
    try:
        yield server
    finally:
        server.close()
