"""What is asked of a language model behind an API, and what comes back.

question = (Message("user", idea),)
request = Request("implement", system="You write code. …", shared=codebase, messages=question)
response = await llm.complete(request)
response.text, response.usage.output, response.cost
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from executor.errors import UserError
from executor.records import Record

Purpose = Literal["ideate", "implement", "revise", "repair"]


class LLMError(UserError):
    """What no further request would mend: a wrong key, a model that does not exist, no credit."""


class BudgetSpent(LLMError):
    """The run's budget for language models leaves no room for this request."""


class NoReply(Exception):
    """One request that came to nothing, after every retry; others may succeed. One line."""


@dataclass(frozen=True)
class Message:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class Request(Record):
    """One turn to be continued.

    `system` and then `shared`, the long part that many requests have in common (a codebase), come
    before `messages`, and are what providers may cache. `sample` tells requests apart that are
    otherwise equal. Model, temperature, thinking and the bound on the answer are the client's.
    """

    purpose: Purpose
    system: str
    shared: str
    messages: tuple[Message, ...]
    sample: int = 0

    @property
    def key(self) -> str:
        """The same for the same question, and for no other."""
        text = repr((self.system, self.shared, self.messages, self.sample, self.purpose))
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class Usage(Record):
    """Tokens as the provider counts them: `input` without what was read from or written to its
    cache, `output` with the thinking."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Usage) -> Usage:
        ours, theirs = asdict(self), asdict(other)
        return Usage(**{name: ours[name] + theirs[name] for name in ours})


@dataclass(frozen=True)
class Response(Record):
    """An answer. `stop` says whether it ended by itself, at its bound, or in a refusal; `cost` is
    in US dollars, of every attempt that was paid for."""

    text: str
    thinking: str
    usage: Usage
    model: str
    stop: Literal["end", "length", "refusal"]
    cost: float
    seconds: float


class LLM(Protocol):
    """A language model. Any number of requests may be under way; cancelling one ends it."""

    async def complete(self, request: Request) -> Response:
        """Raises NoReply, LLMError."""

    async def close(self) -> None:
        """Gives back connections."""
