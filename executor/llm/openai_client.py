"""Models behind any server that speaks OpenAI's chat completions: vLLM, llama.cpp, hosted ones.

    client = OpenAIClient(settings)          # key: OPENAI_API_KEY; servers of one's own need none
    response = await client.ask(request, meter)

Answers are streamed. Thinking is kept apart, whether the server does that or leaves it in the text
between `<think>` and `</think>`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from executor.llm.client import connect_s, load_sdk, well_formed
from executor.llm.failures import Failed, failures
from executor.llm.meter import CallMeter, believable
from executor.llm.records import LLMError, Request, Response, Usage
from executor.llm.settings import LLMSettings
from executor.settings import convert

_STOPS: Mapping[str | None, str] = {"length": "length", "content_filter": "refusal"}


class OpenAIClient:
    """Raises UserError where the SDK is missing, LLMError where there is no key."""

    def __init__(self, settings: LLMSettings) -> None:
        self._sdk, self._settings = load_sdk("openai"), settings
        self._client = self._sdk.AsyncOpenAI(
            api_key=openai_key(settings),
            base_url=settings.base_url,
            max_retries=0,
            timeout=self._sdk.Timeout(settings.timeout_s, connect=connect_s(settings)),
        )

    async def ask(self, request: Request, meter: CallMeter) -> Response:
        began = time.monotonic()
        answer = _StreamedCompletion(meter)
        async with failures(self._sdk, meter, self._settings, self._client.base_url):
            stream = await self._client.chat.completions.create(**self._body(request))
            async with stream:
                async for chunk in stream:
                    data = chunk.to_dict(warnings=False) if hasattr(chunk, "to_dict") else chunk
                    answer.add(convert(data, _Chunk))
        return answer.response(time.monotonic() - began)

    async def close(self) -> None:
        await self._client.close()

    def _body(self, request: Request) -> dict[str, Any]:
        """The arguments of the SDK's `chat.completions.create`."""
        # One system message: the chat formats of many models know no second one.
        system = "\n\n".join(filter(None, (request.system, request.shared)))
        messages = [{"role": "system", "content": well_formed(system)}] if system else []
        messages += [
            {"role": message.role, "content": well_formed(message.text)}
            for message in request.messages
        ]
        # OpenAI's own models refuse the old name, and other servers may not know the new one.
        of_openai = "openai" in self._client.base_url.host.split(".")
        bound = "max_completion_tokens" if of_openai else "max_tokens"
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            bound: self._settings.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        if self._settings.effort is not None:
            body["reasoning_effort"] = self._settings.effort
        return body


def openai_key(settings: LLMSettings) -> str:
    """The key in the environment. Raises LLMError where one is needed and there is none."""
    own_server = settings.base_url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get("OPENAI_API_KEY") or ("none" if own_server else None)
    if key is None:
        raise LLMError(
            "llm.api openai: no key; set OPENAI_API_KEY, or llm.base_url for another server"
        )
    return key


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionUsage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None


class _Delta(msgspec.Struct):
    """`reasoning_content` and `reasoning` are two servers' names for the same."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """What is read of a chunk; all else is left out."""

    choices: list[_Choice] = []
    model: str | None = None
    usage: _CompletionUsage | None = None


class _StreamedCompletion:
    """An answer as it grows."""

    def __init__(self, meter: CallMeter) -> None:
        self._meter = meter
        self._model = ""
        self._stop: str | None = None
        self._usage: Usage | None = None
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._refusal: list[str] = []
        self._begun = False

    def add(self, chunk: _Chunk) -> None:
        self._model = chunk.model or self._model
        if chunk.usage is not None:
            self._usage = _counted(chunk.usage)
        for choice in chunk.choices[:1]:
            self._begun = True
            self._stop = choice.finish_reason or self._stop
            delta = choice.delta or _Delta()
            self._text.append(delta.content or "")
            self._refusal.append(delta.refusal or "")
            self._thinking.append(delta.reasoning_content or delta.reasoning or "")

    def response(self, seconds: float) -> Response:
        """Raises Failed where the stream has ended before the answer did."""
        if not self._begun:
            raise Failed("the answer has no choices")
        if self._stop is None:
            raise Failed("the answer stopped in the middle")
        if self._usage is not None:
            self._meter.at_most = self._usage
        refusal = "".join(self._refusal)
        inside, text = split_thinking("".join(self._text))
        return Response(
            text=well_formed(text + refusal),
            thinking=well_formed("".join(self._thinking) + inside),
            usage=self._usage or Usage(),
            model=self._model,
            stop="refusal" if refusal else _STOPS.get(self._stop, "end"),  # type: ignore[arg-type]
            cost=0.0,
            seconds=seconds,
        )


def split_thinking(text: str) -> tuple[str, str]:
    """(thinking, answer) of a text that may begin with its thinking.

    Some chat formats open it in the prompt already, so that only its end is there; an answer that
    was cut off may have its beginning only.
    """
    before, end, after = text.partition("</think>")
    opened = before.lstrip().startswith("<think>")
    if not end and not opened:
        return "", text
    # A later opening is part of what the answer talks about.
    if not opened and "<think>" in before:
        return "", text
    return before.lstrip().removeprefix("<think>").strip(), after.lstrip()


def _counted(usage: _CompletionUsage) -> Usage:
    """OpenAI's `prompt_tokens` include what came from the cache or went into it."""
    details = usage.prompt_tokens_details or _PromptDetails()
    read = believable(details.cached_tokens or 0)
    written = believable(details.cache_write_tokens or 0)
    fresh = believable(usage.prompt_tokens - read - written)
    return Usage(fresh, believable(usage.completion_tokens), cache_read=read, cache_write=written)
