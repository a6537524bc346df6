"""OpenAI's chat completions API, streaming."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.llm_servers.http_server import Exchange
from tests.llm_servers.protocol import Error
from tests.llm_servers.protocol import Protocol as AnyProtocol
from tests.llm_servers.script import Asked, Reply, claimed, pieces, tokens

_STOPS = {"end": "stop", "length": "length", "refusal": "content_filter"}


class Protocol(AnyProtocol):
    errors = {
        "400": Error(400, "unsupported_parameter", "Unsupported parameter: 'temperature'"),
        "401": Error(401, "invalid_api_key", "Incorrect API key provided"),
        "403": Error(403, "unsupported_country", "Country, region, or territory not supported"),
        "404": Error(404, "model_not_found", "The model `no-such-model` does not exist"),
        "408": Error(408, "timeout", "Request timed out"),
        "409": Error(409, "conflict", "Conflict"),
        "429": Error(429, "rate_limit_exceeded", "Rate limit reached; see .../account/billing"),
        "500": Error(500, "server_error", "The server had an error"),
        "529": Error(529, "overloaded", "Overloaded"),
        "no_money": Error(402, "insufficient_balance", "Insufficient Balance"),
        "spend_limit": Error(429, "insufficient_quota", "You exceeded your current quota"),
    }
    events_before_break = 2
    stream_error = {"error": {"message": "Overloaded", "code": 503}}
    half_event = b'data: {"id": "chatcmpl\n\n'
    end = b"data: [DONE]\n\n"

    def read(self, number: int, exchange: Exchange) -> Asked:
        body = json.loads(exchange.body)
        messages = body["messages"]
        system = "".join(m["content"] for m in messages if m["role"] == "system")
        last = messages[-1]["content"]
        return Asked(number, exchange.path, exchange.headers, body, system, last)

    def invalid(self, body: Mapping[str, Any]) -> str:
        if any(message["role"] == "system" for message in body["messages"][1:]):
            return "System message must be at the beginning."
        return "" if body.get("stream") else "this server only streams"

    def events(self, asked: Asked, reply: Reply) -> Iterator[dict[str, Any]]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": p} for p in pieces(reply.thinking, reply.pieces)]
        deltas += [{"content": piece} for piece in pieces(reply.text, reply.pieces)]
        for delta in deltas:
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            yield {**_chunk(asked), "choices": [choice]}
        choice = {"index": 0, "delta": {}, "finish_reason": _STOPS[reply.stop]}
        yield {**_chunk(asked), "choices": [choice]}
        if asked.body.get("stream_options", {}).get("include_usage"):
            yield {
                **_chunk(asked),
                "choices": [],
                "usage": claimed(self._usage(asked, reply), reply),
            }

    def empty_events(self, asked: Asked) -> Iterable[dict[str, Any]]:
        return [{**_chunk(asked), "choices": []}]

    def error_body(self, error: Error) -> dict[str, Any]:
        told = {"message": error.message, "type": "invalid_request_error", "code": error.kind}
        return {"error": {**told, "param": None}}

    def framed(self, exchange: Exchange, event: Mapping[str, Any]) -> bytes:
        return b"data: %s\n\n" % json.dumps(event).encode()

    def _usage(self, asked: Asked, reply: Reply) -> dict[str, Any]:
        """The prompt counts what was cached, too; the system message is, the second time."""
        prompt = tokens("".join(message["content"] for message in asked.body["messages"]))
        cached = 0 if self.first_time(asked.system) else tokens(asked.system)
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
