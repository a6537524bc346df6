"""Both clients against servers that speak the real protocols."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from executor.errors import UserError
from executor.llm.openai_client import split_thinking
from executor.llm.records import LLM, LLMError, Message, Request, Usage
from executor.settings import to_dict
from tests.executor.llm.asking import KEY, ask, question, settings_for, with_llm
from tests.llm_servers import Asked, Reply, serve


def test_an_answer_has_its_text_thinking_usage_and_model(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("the answer", "let me see")) as server:
        (response,) = ask(settings_for(api, server), journal, question())
    assert (response.text, response.thinking, response.stop) == ("the answer", "let me see", "end")
    assert response.model == "test-model"
    assert response.usage.input > 0
    assert response.usage.output >= 2
    assert response.seconds > 0


def test_how_an_answer_stopped_is_told(api: str, journal: Path) -> None:
    stops = ["end", "length", "refusal"]
    with serve(api, lambda asked: Reply("x", stop=asked.text)) as server:
        answers = ask(settings_for(api, server), journal, *map(question, stops))
    assert [answer.stop for answer in answers] == stops


def test_an_empty_answer_is_an_answer(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("")) as server:
        (response,) = ask(settings_for(api, server), journal, question())
    assert (response.text, response.stop) == ("", "end")
    assert len(server.asked) == 1


def test_what_requests_share_is_read_from_the_cache_the_second_time(
    api: str, journal: Path
) -> None:
    codebase = "def f(): ...\n" * 100
    questions = [question(text, shared=codebase) for text in ("first", "second")]

    async def one_after_the_other(llm: LLM) -> list[Usage]:
        return [(await llm.complete(q)).usage for q in questions]

    with serve(api, lambda asked: Reply("yes")) as server:
        first, second = with_llm(settings_for(api, server), journal, one_after_the_other)
    assert first.cache_read == 0
    assert second.cache_read >= len(codebase) // 4
    assert second.input < len(codebase) // 4


def test_anthropic_marks_the_shared_part_for_the_cache(journal: Path) -> None:
    with serve("anthropic", lambda asked: Reply("yes")) as server:
        settings = settings_for("anthropic", server)
        ask(settings, journal, question(shared="codebase"), question(shared=""))
    blocks = {len(asked.body["system"]): asked.body["system"] for asked in server.asked}
    assert blocks[2] == [
        {"type": "text", "text": "You write code."},
        {"type": "text", "text": "codebase", "cache_control": {"type": "ephemeral"}},
    ]
    assert blocks[1] == [{"type": "text", "text": "You write code."}]


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"thinking_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (
            {"thinking_tokens": "adaptive", "effort": "high"},
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "high"},
            },
        ),
        ({"temperature": 0.5, "max_tokens": 123}, {"temperature": 0.5, "max_tokens": 123}),
    ],
)
def test_settings_reach_anthropic(journal: Path, fields: dict, sent: dict) -> None:
    with serve("anthropic", lambda asked: Reply("yes")) as server:
        ask(settings_for("anthropic", server, **fields), journal, question())
    body = server.asked[0].body
    assert {name: body[name] for name in sent} == sent
    assert body["stream"] is True


def test_settings_reach_openai(journal: Path) -> None:
    fields = {"temperature": 0.5, "effort": "low", "max_tokens": 99}
    with serve("openai", lambda asked: Reply("yes")) as server:
        settings = settings_for("openai", server, **fields)
        ask(settings, journal, question(shared="codebase"))
    body = server.asked[0].body
    assert (body["temperature"], body["reasoning_effort"], body["max_tokens"]) == (0.5, "low", 99)
    assert body["messages"] == [
        {"role": "system", "content": "You write code.\n\ncodebase"},
        {"role": "user", "content": "hello"},
    ]


def test_what_is_not_set_is_not_sent(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        ask(settings_for(api, server), journal, question())
    optional = {"temperature", "thinking", "output_config", "reasoning_effort", "effort"}
    assert not optional & set(server.asked[0].body)


def test_a_conversation_keeps_its_turns(api: str, journal: Path) -> None:
    turns = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    with serve(api, lambda asked: Reply(asked.text)) as server:
        (response,) = ask(settings_for(api, server), journal, Request("revise", "", "", turns))
    assert response.text == "three"
    assert [m["role"] for m in server.asked[0].body["messages"]] == ["user", "assistant", "user"]


def test_the_base_url_may_come_from_the_environment(
    api: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        monkeypatch.setenv(f"{api.upper()}_BASE_URL", server.url)
        (response,) = ask(settings_for(api, server, base_url=None), journal, question())
    assert response.text == "yes"


def test_no_key_is_one_line(api: str, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{api.upper()}_API_KEY"
    monkeypatch.delenv(name)
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server)
        if api == "openai":
            assert ask(settings, journal, question())[0].text == "yes"
            settings = settings_for(api, server, base_url=None)
        with pytest.raises(LLMError, match=f"no key; set {name}"):
            ask(settings, journal, question())


def test_a_missing_sdk_is_one_line(
    api: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.abc
    import sys

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == api:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.delitem(sys.modules, api)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with (
        serve(api, lambda asked: Reply("yes")) as server,
        pytest.raises(UserError, match=r"pip install 'ideator-rl\[llm\]'"),
    ):
        ask(settings_for(api, server), journal, question())


def test_an_sdk_is_imported_when_the_first_request_is_sent(api: str, journal: Path) -> None:
    """Where the journal has the reply already, it never is."""
    code = """
import asyncio, json, sys
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.llm.records import Message, Request
from executor.llm.settings import LLMSettings
from executor.settings import convert
api, settings = sys.argv[1], convert(json.loads(sys.argv[2]), LLMSettings)
llm = open_llm(settings, Journal(sys.argv[3]))
before = api in sys.modules
asyncio.run(llm.complete(Request("ideate", "", "", (Message("user", "yes?"),), 0)))
print(before, api in sys.modules)
"""
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = json.dumps(to_dict(settings_for(api, server)))
        words = [sys.executable, "-c", code, api, settings, str(journal)]
        for expected in ("False True", "False False"):
            told = subprocess.run(words, capture_output=True, text=True, check=True)
            assert told.stdout.split() == expected.split()
        assert len(server.asked) == 1


def test_any_unicode_goes_there_and_back(api: str, journal: Path) -> None:
    text = "日本語 🧪 \x00 \u2028 half: \ud83d"
    with serve(api, lambda asked: Reply(asked.text, pieces=1000)) as server:
        (response,) = ask(settings_for(api, server), journal, question(text))
    assert response.text == text.replace("\ud83d", "\ufffd")


def test_a_character_in_two_pieces_is_one(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("\ud83e\uddea", pieces=2)) as server:
        (response,) = ask(settings_for(api, server), journal, question())
    assert response.text == "🧪"


def test_a_long_answer_is_whole(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("word " * 200_000, pieces=200)) as server:
        (response,) = ask(settings_for(api, server), journal, question())
    assert response.text == "word " * 200_000


@pytest.mark.parametrize("moment", ["before the answer", "within the answer"])
def test_cancelling_closes_the_connection(api: str, journal: Path, moment: str) -> None:
    reply = Reply("x" * 100, delay_s=60) if moment.startswith("before") else None

    async def cancel(llm: LLM) -> None:
        task = asyncio.ensure_future(llm.complete(question()))
        while not server.asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while not server.left:
                await asyncio.sleep(0.01)

    with serve(api, lambda asked: reply or Reply("x" * 100, pieces=100, pause_s=1)) as server:
        with_llm(settings_for(api, server), journal, cancel)
        assert (server.left, server.open) == (1, 0)


def test_an_answer_without_usage_counts_as_its_worst_case(journal: Path) -> None:
    def forget_usage(asked: Asked) -> Reply:
        asked.body.pop("stream_options")
        return Reply("yes")

    prices = {"input": 1e6, "output": 1e6}
    with serve("openai", forget_usage) as server:
        settings = settings_for("openai", server, prices=prices, max_tokens=1000)
        (response,) = ask(settings, journal, question())
    assert response.usage == Usage()
    assert response.cost >= 1000


def test_thinking_in_the_text_is_kept_apart() -> None:
    assert split_thinking("<think>\nhm\n</think>\n\nyes") == ("hm", "yes")
    assert split_thinking("hm\n</think>\nyes") == ("hm", "yes")
    assert split_thinking("  <think>cut off") == ("cut off", "")
    assert split_thinking("yes") == ("", "yes")
    assert split_thinking("a <think> b </think> c") == ("", "a <think> b </think> c")


def test_bedrock_through_the_same_sdk(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with serve("anthropic", lambda asked: Reply("from bedrock", "hm")) as server:
        server.key = KEY
        (response,) = ask(
            settings_for("anthropic", server, platform="bedrock"), journal, question()
        )
    assert (response.text, response.thinking) == ("from bedrock", "hm")
    assert server.asked[0].path == "/model/test-model/invoke-with-response-stream"


@pytest.mark.parametrize(
    ("platform", "unset", "line"),
    [
        (
            "bedrock",
            ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"),
            "credentials",
        ),
        ("vertex", ("CLOUD_ML_REGION",), "llm.platform vertex: No region"),
    ],
)
def test_a_platform_without_credentials_is_one_line(
    journal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    unset: tuple[str, ...],
    line: str,
) -> None:
    pytest.importorskip("botocore")
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with (
        serve("anthropic", lambda asked: Reply("yes")) as server,
        pytest.raises(LLMError, match=line),
    ):
        ask(settings_for("anthropic", server, platform=platform), journal, question())
    assert not server.asked
