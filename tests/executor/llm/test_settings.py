"""Settings that cannot work are refused in one line, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from executor.errors import UserError
from executor.llm.settings import LLMSettings, check
from executor.settings import FieldError, convert


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"base_url": "localhost:8000"}, "llm.base_url: give a whole URL"),
        ({"base_url": "http://me:secret@host/v1"}, "llm.base_url: names a password"),
        ({"budget": {"money": 1}}, "llm.budget.money: needs llm.prices"),
        ({"platform": "bedrock"}, "llm.platform: bedrock goes with llm.api anthropic only"),
        ({"thinking_tokens": 2000}, "llm.thinking_tokens: not with llm.api openai"),
        (
            {"api": "anthropic", "thinking_tokens": 2000, "max_tokens": 2000},
            "llm.thinking_tokens: must be less than llm.max_tokens",
        ),
        ({"api": "replay"}, "llm.recording: the run folder to replay"),
        ({"recording": "store/runs/x"}, "llm.recording: the run folder to replay"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields: dict[str, Any], line: str) -> None:
    settings = convert({"api": "openai", "model": "m", **fields}, LLMSettings)
    with pytest.raises(UserError) as told:
        check(settings)
    assert str(told.value).startswith(line)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"api_key": "x"}, "api_key: unknown key"),
        ({"tries": 0}, "tries: expected"),
        ({"thinking_tokens": "much"}, "thinking_tokens: "),
        ({"budget": {"euros": 1}}, "budget.euros: unknown key"),
        ({"api": "other"}, "api: expected one of anthropic, openai, replay"),
        ({"prices": {"input": -1}}, "prices.input: expected"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(FieldError) as told:
        convert({"api": "openai", "model": "m", **fields}, LLMSettings)
    assert str(told.value).startswith(line)


def test_the_least_settings_are_enough() -> None:
    for api in ("anthropic", "openai"):
        check(convert({"api": api, "model": "m"}, LLMSettings))
    check(convert({"api": "replay", "model": "m", "recording": "store/runs/x"}, LLMSettings))
