"""OpenAI's chat completions API, streaming."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tests.llm_servers.http_server import Exchange
from tests.llm_servers.script import Answer, Asked, Fault, Reply, pieces, tokens

if TYPE_CHECKING:
    from tests.llm_servers import LLMServer

# Status, code, message.
_ERRORS = {
    "400": (400, "unsupported_parameter", "Unsupported parameter: 'temperature'"),
    "401": (401, "invalid_api_key", "Incorrect API key provided"),
    "403": (403, "unsupported_country", "Country, region, or territory not supported"),
    "404": (404, "model_not_found", "The model `no-such-model` does not exist"),
    "408": (408, "timeout", "Request timed out"),
    "409": (409, "conflict", "Conflict"),
    "429": (429, "rate_limit_exceeded", "Rate limit reached; see .../account/billing"),
    "500": (500, "server_error", "The server had an error"),
    "529": (529, "overloaded", "Overloaded"),
    "no_money": (402, "insufficient_balance", "Insufficient Balance"),
    "spend_limit": (429, "insufficient_quota", "You exceeded your current quota"),
}
_STOPS = {"end": "stop", "length": "length", "refusal": "content_filter"}


class Protocol:
    def __init__(self, server: LLMServer, answer: Callable[[Asked], Answer]) -> None:
        self._server, self._answer = server, answer
        self._cached: set[str] = set()

    async def handle(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        messages = body["messages"]
        system = "".join(m["content"] for m in messages if m["role"] == "system")
        asked = Asked(
            len(self._server.asked),
            exchange.path,
            exchange.headers,
            body,
            system,
            messages[-1]["content"],
        )
        self._server.asked.append(asked)
        if problem := self._refusal(asked):
            return await _send_error(exchange, *problem)
        answer = self._answer(asked)
        if isinstance(answer, Fault) and answer.name in _ERRORS:
            headers = {"retry-after": answer.retry_after} if answer.retry_after else {}
            return await _send_error(exchange, *_ERRORS[answer.name], headers)
        if isinstance(answer, Fault):
            return await self._fail(exchange, asked, answer)
        await asyncio.sleep(answer.delay_s)
        exchange.start_stream("text/event-stream")
        for number, chunk in enumerate(self._chunks(asked, answer)):
            if number:
                await asyncio.sleep(answer.pause_s)
            await exchange.chunk(_event(chunk))
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end_stream()

    def _refusal(self, asked: Asked) -> tuple[int, str, str] | None:
        """What the real API says to a request that is not right."""
        key = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self._server.key and key != self._server.key:
            return 401, "invalid_api_key", f"Incorrect API key provided: {key}"
        if self._server.model and asked.body["model"] != self._server.model:
            return 404, "model_not_found", f"The model `{asked.body['model']}` does not exist"
        roles = [message["role"] for message in asked.body["messages"]]
        if "system" in roles[1:]:
            return 400, "invalid_request", "System message must be at the beginning."
        if not asked.body.get("stream"):
            return 400, "invalid_request", "this server only streams"
        return None

    async def _fail(self, exchange: Exchange, asked: Asked, fault: Fault) -> None:
        if fault.name == "silent":
            await asyncio.sleep(3600)
        if fault.name == "reset":
            return exchange.reset()
        if fault.name == "html":
            return await exchange.send(200, b"<html>gateway</html>", kind="text/html")
        exchange.start_stream("text/event-stream")
        if fault.name == "invalid_json":
            await exchange.chunk(b'data: {"id": "chatcmpl\n\n')
        elif fault.name == "no_choices":
            await exchange.chunk(_event({**_chunk(asked), "choices": []}))
            await exchange.chunk(b"data: [DONE]\n\n")
        else:
            for chunk in list(self._chunks(asked, Reply(fault.text, pieces=1)))[:2]:
                await exchange.chunk(_event(chunk))
            if fault.name == "stream_error":
                await exchange.chunk(_event({"error": {"message": "Overloaded", "code": 503}}))
            if fault.name == "cut":
                return exchange.cut()
        await exchange.end_stream()

    def _chunks(self, asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": p} for p in pieces(reply.thinking, reply.pieces)]
        deltas += [{"content": piece} for piece in pieces(reply.text, reply.pieces)]
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            yield {**_chunk(asked), "choices": [choice]}
        choice = {"index": 0, "delta": {}, "finish_reason": _STOPS[reply.stop]}
        yield {**_chunk(asked), "choices": [choice]}
        if asked.body.get("stream_options", {}).get("include_usage"):
            yield {**_chunk(asked), "choices": [], "usage": self._usage(asked, reply)}

    def _usage(self, asked: Asked, reply: Reply) -> dict[str, Any]:
        """The prompt counts what was cached, too; the system message is, the second time."""
        prompt = tokens("".join(message["content"] for message in asked.body["messages"]))
        cached = tokens(asked.system) if asked.system in self._cached else 0
        self._cached.add(asked.system)
        thought = tokens(reply.thinking)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": thought + tokens(reply.text),
            "total_tokens": prompt + thought + tokens(reply.text),
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }


def _chunk(asked: Asked) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": asked.body["model"],
    }


def _event(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()


async def _send_error(
    exchange: Exchange, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> None:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    await exchange.send(status, {"error": error}, headers=headers)
