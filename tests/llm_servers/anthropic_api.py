"""Anthropic's Messages API, streaming: also under the paths of Bedrock and Vertex."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zlib import crc32

from tests.llm_servers.http_server import Exchange
from tests.llm_servers.script import Answer, Asked, Fault, Reply, pieces, tokens

if TYPE_CHECKING:
    from tests.llm_servers import LLMServer

# Status, type, message.
_ERRORS = {
    "400": (400, "invalid_request_error", "thinking.type.enabled is not supported for this model"),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "403": (403, "permission_error", "Your API key may not use this resource"),
    "404": (404, "not_found_error", "model: no-such-model"),
    "408": (408, "timeout_error", "Request timed out"),
    "409": (409, "conflict_error", "Conflict"),
    "429": (429, "rate_limit_error", "Number of request tokens has exceeded your rate limit"),
    "500": (500, "api_error", "Internal server error"),
    "529": (529, "overloaded_error", "Overloaded"),
    "no_money": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
    ),
    "spend_limit": (429, "rate_limit_error", "You have reached your limit"),
}
_STOPS = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}
_CLOUD_PATH = re.compile(r"/model/([^/]+)/invoke-with-response-stream|.*/models/([^/:]+):stream")


class Protocol:
    def __init__(self, server: LLMServer, answer: Callable[[Asked], Answer]) -> None:
        self._server, self._answer = server, answer
        self._cached: set[str] = set()

    async def handle(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        if cloud := _CLOUD_PATH.match(exchange.path):
            body |= {"model": unquote(cloud[1] or cloud[2]), "stream": True}
        asked = _asked(len(self._server.asked), exchange, body)
        self._server.asked.append(asked)
        if problem := self._refusal(asked):
            return await _send_error(exchange, *problem)
        answer = self._answer(asked)
        if isinstance(answer, Fault) and answer.name in _ERRORS:
            headers = {"retry-after": answer.retry_after} if answer.retry_after else {}
            details = None
            if answer.name == "spend_limit":
                details = {"error_code": "enforced_spend_limit_reached"}
            return await _send_error(exchange, *_ERRORS[answer.name], headers, details)
        stream = _Stream(exchange, aws=exchange.path.startswith("/model/"))
        if isinstance(answer, Fault):
            return await self._fail(stream, asked, answer)
        await asyncio.sleep(answer.delay_s)
        for number, event in enumerate(self._events(asked, answer)):
            if number:
                await asyncio.sleep(answer.pause_s)
            await stream.send(event)
        await exchange.end_stream()

    def _refusal(self, asked: Asked) -> tuple[int, str, str] | None:
        """What the real API says to a request that is not right."""
        key = asked.headers.get("x-api-key", "") or asked.headers.get("authorization", "")
        if self._server.key and self._server.key not in key:
            return 401, "authentication_error", f"invalid x-api-key: {key}"
        if self._server.model and asked.body["model"] != self._server.model:
            return 404, "not_found_error", f"model: {asked.body['model']}"
        if wrong := _invalid(asked.body):
            return 400, "invalid_request_error", wrong
        return None

    async def _fail(self, stream: _Stream, asked: Asked, fault: Fault) -> None:
        exchange = stream.exchange
        if fault.name == "silent":
            await asyncio.sleep(3600)
        elif fault.name == "reset":
            exchange.reset()
        elif fault.name == "html":
            await exchange.send(200, b"<html>gateway</html>", kind="text/html")
        elif fault.name == "invalid_json":
            exchange.start_stream("text/event-stream")
            await exchange.chunk(b'event: message_start\ndata: {"type": "message_sta\n\n')
            await exchange.end_stream()
        elif fault.name == "no_choices":
            exchange.start_stream("text/event-stream")
            await exchange.end_stream()
        else:
            events = list(self._events(asked, Reply(fault.text, pieces=1)))
            for event in events[:3]:
                await stream.send(event)
            if fault.name == "stream_error":
                error = {"type": "overloaded_error", "message": "Overloaded"}
                await stream.send({"type": "error", "error": error})
            if fault.name == "cut":
                exchange.cut()
            else:
                await exchange.end_stream()

    def _events(self, asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
        usage = self._usage(asked)
        message = {
            "id": f"msg_{asked.number}",
            "type": "message",
            "role": "assistant",
            "model": asked.body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        yield {"type": "message_start", "message": message}
        blocks = [("thinking", reply.thinking)] if reply.thinking else []
        blocks += [("text", reply.text)] if reply.text else []
        for index, (kind, text) in enumerate(blocks):
            block = {"type": kind, kind: ""} | ({"signature": ""} if kind == "thinking" else {})
            yield {"type": "content_block_start", "index": index, "content_block": block}
            for piece in pieces(text, reply.pieces):
                delta = {"type": f"{kind}_delta", kind: piece}
                yield {"type": "content_block_delta", "index": index, "delta": delta}
                yield {"type": "ping"}
            if kind == "thinking":
                delta = {"type": "signature_delta", "signature": "c2ln"}
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": _STOPS[reply.stop], "stop_sequence": None},
            "usage": {"output_tokens": 1 + tokens(reply.text) + tokens(reply.thinking)},
        }
        yield {"type": "message_stop"}

    def _usage(self, asked: Asked) -> dict[str, int]:
        """All up to the block with `cache_control` is read from the cache the second time."""
        blocks = asked.body.get("system", [])
        marked = [index for index, block in enumerate(blocks) if "cache_control" in block]
        prefix = "".join(block["text"] for block in blocks[: marked[-1] + 1]) if marked else ""
        rest = asked.system[len(prefix) :] + "".join(map(_content, asked.body["messages"]))
        known = prefix in self._cached
        self._cached.add(prefix)
        return {
            "input_tokens": tokens(rest),
            "cache_read_input_tokens": tokens(prefix) if known else 0,
            "cache_creation_input_tokens": 0 if known else tokens(prefix),
        }


class _Stream:
    """Events as server-sent events, or in the binary form of AWS."""

    def __init__(self, exchange: Exchange, aws: bool) -> None:
        self.exchange, self._aws, self._started = exchange, aws, False

    async def send(self, event: dict[str, Any]) -> None:
        if not self._started:
            kind = "application/vnd.amazon.eventstream" if self._aws else "text/event-stream"
            self.exchange.start_stream(kind)
            self._started = True
        data = json.dumps(event).encode()
        if self._aws:
            await self.exchange.chunk(_aws_message(data))
        else:
            name = str(event["type"]).encode()
            await self.exchange.chunk(b"event: %s\ndata: %s\n\n" % (name, data))


def _asked(number: int, exchange: Exchange, body: dict[str, Any]) -> Asked:
    system = "".join(block["text"] for block in body.get("system", []))
    text = _content(body["messages"][-1])
    return Asked(number, exchange.path, exchange.headers, body, system, text)


def _content(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"])


def _invalid(body: dict[str, Any]) -> str:
    blocks = [*body.get("system", []), *(b for m in body["messages"] for b in m["content"])]
    if any(not block["text"].strip() for block in blocks):
        return "text content blocks must be non-empty"
    if not isinstance(body.get("max_tokens"), int):
        return "max_tokens: Field required"
    if body["messages"][0]["role"] != "user":
        return "messages: first message must use the user role"
    budget = body.get("thinking", {}).get("budget_tokens", 1024)
    if not 1024 <= budget < max(body["max_tokens"], 1025):
        return "max_tokens must be greater than thinking.budget_tokens"
    if not body.get("stream"):
        return "this server only streams"
    return ""


async def _send_error(
    exchange: Exchange,
    status: int,
    kind: str,
    message: str,
    headers: dict[str, str] | None = None,
    details: dict[str, str] | None = None,
) -> None:
    error = {"type": kind, "message": message, **({"details": details} if details else {})}
    await exchange.send(status, {"type": "error", "error": error}, headers=headers)


def _aws_message(event: bytes) -> bytes:
    """An event in AWS's event stream encoding: two lengths, headers, payload, two checksums."""
    payload = json.dumps({"bytes": base64.b64encode(event).decode()}).encode()
    names = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", 7, len(text))
        + text.encode()
        for name, text in names.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", crc32(whole))
