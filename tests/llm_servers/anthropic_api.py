"""Anthropic's Messages API, streaming: also under the paths of Bedrock and Vertex."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from tests.llm_servers.http_server import Exchange
from tests.llm_servers.protocol import Error
from tests.llm_servers.protocol import Protocol as AnyProtocol
from tests.llm_servers.script import Asked, Reply, claimed, pieces, tokens

_NO_THINKING = "thinking.type.enabled is not supported for this model"
_NO_MONEY = "Your credit balance is too low to access the Anthropic API."
_STOPS = {"end": "end_turn", "length": "max_tokens", "refusal": "refusal"}
_CLOUD_PATH = re.compile(r"/model/([^/]+)/invoke-with-response-stream|.*/models/([^/:]+):stream")


class Protocol(AnyProtocol):
    errors = {
        "400": Error(400, "invalid_request_error", _NO_THINKING),
        "401": Error(401, "authentication_error", "invalid x-api-key"),
        "403": Error(403, "permission_error", "Your API key may not use this resource"),
        "404": Error(404, "not_found_error", "model: no-such-model"),
        "408": Error(408, "timeout_error", "Request timed out"),
        "409": Error(409, "conflict_error", "Conflict"),
        "429": Error(429, "rate_limit_error", "Request tokens have exceeded your rate limit"),
        "500": Error(500, "api_error", "Internal server error"),
        "529": Error(529, "overloaded_error", "Overloaded"),
        "no_money": Error(400, "invalid_request_error", _NO_MONEY),
        "spend_limit": Error(
            429, "rate_limit_error", "You have reached your limit", "enforced_spend_limit_reached"
        ),
    }
    events_before_break = 3
    stream_error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    half_event = b'event: message_start\ndata: {"type": "message_sta\n\n'

    def read(self, number: int, exchange: Exchange) -> Asked:
        body = json.loads(exchange.body)
        if cloud := _CLOUD_PATH.match(exchange.path):
            body |= {"model": unquote(cloud[1] or cloud[2]), "stream": True}
        system = "".join(block["text"] for block in body.get("system", []))
        text = _content(body["messages"][-1])
        return Asked(number, exchange.path, exchange.headers, body, system, text)

    def invalid(self, body: Mapping[str, Any]) -> str:
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

    def events(self, asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
        usage = self._usage(asked)
        message = {
            "id": f"msg_{asked.number}",
            "type": "message",
            "role": "assistant",
            "model": asked.body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": claimed({**usage, "output_tokens": 1}, reply),
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
        output = 1 + tokens(reply.text) + tokens(reply.thinking)
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": _STOPS[reply.stop], "stop_sequence": None},
            "usage": claimed({"output_tokens": output}, reply),
        }
        yield {"type": "message_stop"}

    def error_body(self, error: Error) -> dict[str, Any]:
        details = {"details": {"error_code": error.code}} if error.code else {}
        told = {"type": error.kind, "message": error.message, **details}
        return {"type": "error", "error": told}

    def content_type(self, exchange: Exchange) -> str:
        aws = "application/vnd.amazon.eventstream"
        return aws if _of_aws(exchange) else super().content_type(exchange)

    def framed(self, exchange: Exchange, event: Mapping[str, Any]) -> bytes:
        data = json.dumps(event).encode()
        if _of_aws(exchange):
            return _aws_message(data)
        return b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), data)

    def _usage(self, asked: Asked) -> dict[str, int]:
        """All up to the block with `cache_control` is read from the cache the second time."""
        blocks = asked.body.get("system", [])
        marked = [index for index, block in enumerate(blocks) if "cache_control" in block]
        prefix = "".join(block["text"] for block in blocks[: marked[-1] + 1]) if marked else ""
        rest = asked.system[len(prefix) :] + "".join(map(_content, asked.body["messages"]))
        first = self.first_time(prefix)
        return {
            "input_tokens": tokens(rest),
            "cache_read_input_tokens": 0 if first else tokens(prefix),
            "cache_creation_input_tokens": tokens(prefix) if first else 0,
        }


def _of_aws(exchange: Exchange) -> bool:
    return exchange.path.startswith("/model/")


def _content(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"])


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
