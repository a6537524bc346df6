"""What servers of language models have in common: they note what they are asked, refuse what the
real ones refuse, and answer or fail as the test wants it. A provider is a subclass: its words are
data, its shapes a few functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.llm_servers.http_server import Exchange
from tests.llm_servers.script import Answer, Asked, Fault, FaultName, Reply

if TYPE_CHECKING:
    from tests.llm_servers import LLMServer


class Error(NamedTuple):
    """`kind` is the provider's name for it, `code` a finer one where it has one."""

    status: int
    kind: str
    message: str
    code: str = ""


class Protocol:
    # The message of "401" is followed by the key, that of "404" names `no-such-model`.
    errors: Mapping[FaultName, Error]
    # Of a stream that breaks: the events before, an event that is an error, and one cut in JSON.
    events_before_break: int
    stream_error: Mapping[str, Any]
    half_event: bytes
    # Behind the last event of a whole answer.
    end: bytes = b""

    def __init__(self, server: LLMServer, answer: Callable[[Asked], Answer]) -> None:
        self._server, self._answer = server, answer
        self._cached: set[str] = set()

    # --- a provider's shapes

    def read(self, number: int, exchange: Exchange) -> Asked:
        raise NotImplementedError

    def invalid(self, body: Mapping[str, Any]) -> str:
        """What the real API has against a request; empty if nothing."""
        raise NotImplementedError

    def events(self, asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def empty_events(self, asked: Asked) -> Iterable[dict[str, Any]]:
        """A whole answer without any content."""
        return ()

    def error_body(self, error: Error) -> dict[str, Any]:
        raise NotImplementedError

    def content_type(self, exchange: Exchange) -> str:
        return "text/event-stream"

    def framed(self, exchange: Exchange, event: Mapping[str, Any]) -> bytes:
        raise NotImplementedError

    # --- what follows from them

    async def handle(self, exchange: Exchange) -> None:
        asked = self.read(len(self._server.asked), exchange)
        self._server.asked.append(asked)
        if error := self._refusal(asked):
            return await self._send_error(exchange, error)
        answer = self._answer(asked)
        if isinstance(answer, Fault):
            if answer.name in self.errors:
                return await self._send_error(
                    exchange, self.errors[answer.name], answer.retry_after
                )
            return await self._fail(exchange, asked, answer)
        await asyncio.sleep(answer.delay_s)
        exchange.start_stream(self.content_type(exchange))
        for number, event in enumerate(self.events(asked, answer)):
            if number:
                await asyncio.sleep(answer.pause_s)
            await exchange.chunk(self.framed(exchange, event))
        if self.end:
            await exchange.chunk(self.end)
        await exchange.end_stream()

    def first_time(self, text: str) -> bool:
        """Whether this begins a request for the first time, so that it is not cached yet."""
        known = text in self._cached
        self._cached.add(text)
        return not known

    def _refusal(self, asked: Asked) -> Error | None:
        key = asked.headers.get("x-api-key") or asked.headers.get("authorization", "")
        if self._server.key and self._server.key not in key:
            error = self.errors["401"]
            return error._replace(message=f"{error.message}: {key.removeprefix('Bearer ')}")
        if self._server.model and asked.body["model"] != self._server.model:
            error = self.errors["404"]
            named = error.message.replace("no-such-model", asked.body["model"])
            return error._replace(message=named)
        wrong = self.invalid(asked.body)
        return self.errors["400"]._replace(message=wrong) if wrong else None

    async def _send_error(
        self, exchange: Exchange, error: Error, retry_after: str | None = None
    ) -> None:
        headers = {"retry-after": retry_after} if retry_after else {}
        await exchange.send(error.status, self.error_body(error), headers=headers)

    async def _fail(self, exchange: Exchange, asked: Asked, fault: Fault) -> None:
        if fault.name == "silent":
            await asyncio.sleep(3600)
        if fault.name == "reset":
            return exchange.reset()
        if fault.name == "html":
            return await exchange.send(200, b"<html>gateway</html>", kind="text/html")
        exchange.start_stream(self.content_type(exchange))
        if fault.name == "invalid_json":
            await exchange.chunk(self.half_event)
        else:
            for event in self._events_of(asked, fault):
                await exchange.chunk(self.framed(exchange, event))
        if fault.name == "cut":
            return exchange.cut()
        await exchange.end_stream()

    def _events_of(self, asked: Asked, fault: Fault) -> list[Mapping[str, Any]]:
        if fault.name == "no_choices":
            return list(self.empty_events(asked))
        begun = list(self.events(asked, Reply(fault.text, pieces=1)))[: self.events_before_break]
        return [*begun, self.stream_error] if fault.name == "stream_error" else [*begun]
