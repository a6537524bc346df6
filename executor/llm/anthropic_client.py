"""Models of Anthropic, through its SDK: from Anthropic itself, from Bedrock or from Vertex.

    client = AnthropicClient(settings)       # keys: ANTHROPIC_API_KEY, or those of the platform
    response = await client.ask(request, meter)

Answers are streamed, as long ones must be. What requests have in common, up to the end of
`request.shared`, is cached by the provider.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from executor.llm.client import connect_s, load_sdk, well_formed
from executor.llm.failures import Failed, failures
from executor.llm.meter import CallMeter, believable
from executor.llm.records import LLMError, Request, Response, Usage
from executor.llm.secrets import one_line
from executor.llm.settings import LLMSettings
from executor.settings import convert

_CLIENTS = {
    "direct": "AsyncAnthropic",
    "bedrock": "AsyncAnthropicBedrock",
    "vertex": "AsyncAnthropicVertex",
}
_STOPS: Mapping[str | None, str] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
# A server that a client has left may go on for so long before it notices.
_UNNOTICED_TOKENS = 1000


class AnthropicClient:
    """Raises UserError where the SDK is missing, LLMError where there is no key."""

    def __init__(self, settings: LLMSettings) -> None:
        self._sdk, self._settings = load_sdk("anthropic"), settings
        timeout = self._sdk.Timeout(settings.timeout_s, connect=connect_s(settings))
        options: dict[str, Any] = {"max_retries": 0, "timeout": timeout}
        if settings.base_url is not None:
            options["base_url"] = settings.base_url
        try:
            self._client = getattr(self._sdk, _CLIENTS[settings.platform])(**options)
        except (self._sdk.AnthropicError, ImportError, RuntimeError, ValueError) as error:
            raise LLMError(one_line(f"llm.platform {settings.platform}: {error}")) from None
        if settings.platform == "direct":
            client = self._client
            if not (client.api_key or client.auth_token or client.credentials):
                raise LLMError("llm.api anthropic: no key; set ANTHROPIC_API_KEY")

    async def ask(self, request: Request, meter: CallMeter) -> Response:
        began = time.monotonic()
        answer = _StreamedMessage(meter)
        async with failures(self._sdk, meter, self._settings, self._client.base_url):
            stream = await self._client.messages.create(**_body(request, self._settings))
            async with stream:
                async for event in stream:
                    data = event.to_dict(warnings=False) if hasattr(event, "to_dict") else event
                    answer.add(convert(data, _Event))
        return answer.response(time.monotonic() - began)

    async def close(self) -> None:
        await self._client.close()


def has_key(settings: LLMSettings) -> bool:
    """Whether the environment has a key; where it has none, only the SDK knows of others."""
    keys = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
    return settings.platform == "direct" and any(map(os.environ.get, keys))


def _body(request: Request, settings: LLMSettings) -> dict[str, Any]:
    """The arguments of the SDK's `messages.create`."""
    # The API refuses empty texts.
    system = [_text(text) for text in (request.system, request.shared) if text]
    if request.shared:
        system[-1]["cache_control"] = {"type": "ephemeral"}
    body: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": settings.max_tokens,
        "messages": [
            {"role": message.role, "content": [_text(message.text)]} for message in request.messages
        ],
        "stream": True,
    }
    if system:
        body["system"] = system
    if settings.thinking_tokens == "adaptive":
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif settings.thinking_tokens is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": settings.thinking_tokens}
    if settings.effort is not None:
        body["output_config"] = {"effort": settings.effort}
    if settings.temperature is not None:
        # The SDK has no such argument any more; older models still take it.
        body["extra_body"] = {"temperature": settings.temperature}
    return body


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": well_formed(text)}


class _MessageUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _MessageStart(msgspec.Struct):
    model: str
    usage: _MessageUsage


class _ContentPart(msgspec.Struct):
    """A content block, the beginning of one or what is added to it."""

    type: str | None = None
    text: str = ""
    thinking: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    """What is read of the stream's events; all else is left out."""

    type: str
    message: _MessageStart | None = None
    content_block: _ContentPart | None = None
    delta: _ContentPart | None = None
    usage: _MessageUsage | None = None


class _StreamedMessage:
    """An answer as it grows; keeps the meter at what it can have cost so far."""

    def __init__(self, meter: CallMeter) -> None:
        self._meter = meter
        self._model, self._usage = "", Usage()
        self._stop: str | None = None
        self._ended = False
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._bytes, self._thought = 0, False

    def add(self, event: _Event) -> None:
        if event.message is not None:
            self._model = event.message.model
            self._count(event.message.usage)
        if event.usage is not None:
            self._count(event.usage)
        self._ended |= event.type == "message_stop"
        for part in (event.content_block, event.delta):
            if part is None:
                continue
            self._text.append(part.text)
            self._thinking.append(part.thinking)
            self._stop = part.stop_reason or self._stop
            self._thought |= "thinking" in (part.type or "")
            self._bytes += len(part.text.encode(errors="surrogatepass"))
        if self._model:
            self._bound()

    def response(self, seconds: float) -> Response:
        """Raises Failed where the stream has ended before the answer did."""
        if not self._model:
            raise Failed("the answer has no message")
        if self._stop is None or not self._ended:
            raise Failed("the answer stopped in the middle")
        self._meter.at_most = self._usage
        return Response(
            text=_joined(self._text),
            thinking=_joined(self._thinking),
            usage=self._usage,
            model=self._model,
            stop=_STOPS.get(self._stop, "end"),  # type: ignore[arg-type]
            cost=0.0,
            seconds=seconds,
        )

    def _count(self, usage: _MessageUsage) -> None:
        """The counts of later events are totals and replace earlier ones."""
        counted = {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cache_read": usage.cache_read_input_tokens,
            "cache_write": usage.cache_creation_input_tokens,
        }
        known = {name: believable(count) for name, count in counted.items() if count is not None}
        self._usage = replace(self._usage, **known)

    def _bound(self) -> None:
        """A token has a byte at least, but thinking is shown in part or not at all."""
        ceiling = self._meter.worst.output
        if not self._thought:
            ceiling = min(ceiling, self._bytes + _UNNOTICED_TOKENS)
        self._meter.at_most = replace(self._usage, output=ceiling)


def _joined(parts: Iterable[str]) -> str:
    return well_formed("".join(parts))
