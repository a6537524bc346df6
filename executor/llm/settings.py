"""The settings of a language model behind an API: the section `llm` of a recipe.

    llm:
      api: anthropic
      model: some-model-id
      prices: {input: 3, output: 15, cache_read: 0.3, cache_write: 3.75}
      budget: {money: 20}         # US dollars, for this role

Keys are no setting: they come from the environment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from executor.errors import UserError
from executor.llm.records import Request
from executor.settings import AtLeast0, AtLeast1, Positive, Settings

Amount = Annotated[float, Meta(ge=0, le=1e12)]
# What the API of Anthropic takes at least.
_MIN_THINKING = 1024


class Prices(Settings, frozen=True):
    """US dollars for a million tokens; `input` is what no cache is read or written for."""

    input: Amount = 0.0
    output: Amount = 0.0
    cache_read: Amount = 0.0
    cache_write: Amount = 0.0

    def dollars(self, tokens: object) -> float:
        """What tokens cost that are counted under the names of their prices."""
        kinds = self.__struct_fields__
        return sum(getattr(tokens, kind) * getattr(self, kind) for kind in kinds) / 1_000_000

    @property
    def dearest_input(self) -> str:
        """The kind of input that costs most: what input comes to at worst."""
        return max(("input", "cache_read", "cache_write"), key=lambda kind: getattr(self, kind))


class LLMBudget(Settings, frozen=True):
    """What the model of one role, ideator or implementer, may use in a run, resumed sessions
    included; null is no bound. `money` is in US dollars, as the prices are. The two roles together
    may use the sum of both budgets, also where one section `llm` serves both."""

    calls: AtLeast0 | None = None
    tokens: AtLeast0 | None = None
    money: Amount | None = None


# What an answer depends on: the rest bounds or prices a run, or says who serves the model.
_ASKED = ("model", "max_tokens", "temperature", "thinking_tokens", "effort")


class LLMSettings(Settings, frozen=True):
    """One model and how it is asked.

    `api` is `openai` for any compatible server; `replay` answers from the journals
    of the run folder `recording` (a path or URL), which was made with the same model settings.
    `base_url` is by default what the SDK takes from the environment, and the provider's own.
    `platform` says who serves models of Anthropic. `thinking_tokens` is a bound on thinking within
    `max_tokens`, or `adaptive` for models that decide for themselves how much; both with `effort`.
    `timeout_s` bounds one attempt, `tries` the attempts a request gets.
    """

    api: Literal["anthropic", "openai", "replay"]
    model: str
    platform: Literal["direct", "bedrock", "vertex"] = "direct"
    base_url: str | None = None
    recording: str | None = None
    max_tokens: AtLeast1 = 16_000
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    thinking_tokens: Annotated[int, Meta(ge=_MIN_THINKING)] | Literal["adaptive"] | None = None
    effort: str | None = None
    prices: Prices = Prices()
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 16
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    timeout_s: Positive = 600.0
    tries: AtLeast1 = 6
    budget: LLMBudget = LLMBudget()

    def key(self, request: Request) -> str:
        """A request's name in the journal: one question to one model, of any provider."""
        asked = tuple(getattr(self, name) for name in _ASKED)
        return hashlib.sha256(f"{asked!r} {request.key}".encode()).hexdigest()[:32]


def asked_of(section: Mapping[str, Any]) -> dict[str, Any]:
    """Of a section `llm` what an answer depends on."""
    return {name: section[name] for name in _ASKED}


def check(settings: LLMSettings) -> None:
    """Raises UserError where two settings do not go together, or one holds a password."""
    thinking = settings.thinking_tokens
    if settings.base_url is not None:
        url = urlsplit(settings.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise UserError("llm.base_url: give a whole URL, such as http://127.0.0.1:8000/v1")
        if url.username or url.password:
            raise UserError("llm.base_url: names a password; keys belong into the environment")
    if settings.budget.money is not None and settings.prices == Prices():
        raise UserError("llm.budget.money: needs llm.prices, in US dollars per million tokens")
    if settings.api != "anthropic" and settings.platform != "direct":
        raise UserError(f"llm.platform: {settings.platform} goes with llm.api anthropic only")
    if settings.api == "openai" and thinking is not None:
        raise UserError("llm.thinking_tokens: not with llm.api openai; set llm.effort instead")
    if isinstance(thinking, int) and thinking >= settings.max_tokens:
        raise UserError(
            "llm.thinking_tokens: must be less than llm.max_tokens, of which it is part"
        )
    if (settings.api == "replay") != (settings.recording is not None):
        raise UserError("llm.recording: the run folder to replay; needed with llm.api replay, only")
