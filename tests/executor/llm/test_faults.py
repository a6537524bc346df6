"""Whatever a server does wrong ends in an answer, in NoReply, or in one line that stops all."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.llm import retries
from executor.llm.client import Client
from executor.llm.failures import Failed, retry_after_s
from executor.llm.journal import Journal
from executor.llm.meter import CallMeter
from executor.llm.open import _client, open_llm
from executor.llm.records import LLM, LLMError, NoReply, Response
from executor.llm.secrets import one_line
from tests.executor.llm.asking import APIS, KEY, ask, question, settings_for, with_llm
from tests.llm_servers import Answer, Asked, Fault, Reply, random_faults, serve
from tests.llm_servers.http_server import Exchange, HttpServer

PASSING = (
    "408",
    "409",
    "429",
    "500",
    "529",
    "invalid_json",
    "html",
    "no_choices",
    "mid_stream",
    "cut",
    "stream_error",
    "reset",
)
SAID = {
    "429": "HTTP 429",
    "529": "HTTP 529: Overloaded",
    "no_choices": "the answer has no",
    "mid_stream": "the answer stopped in the middle",
    "stream_error": "Overloaded",
    "cut": "connection",
    "reset": "connection",
    "invalid_json": "the answer is not of the protocol",
}
FATAL = ("401", "403", "404", "no_money", "spend_limit")


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_DELAY_S", 0.01)


def fails_first(fault: str, times: int = 1):
    def answer(asked: Asked) -> Answer:
        return Fault(fault) if asked.number < times else Reply("yes")

    return answer


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again(api: str, journal: Path, fault: str) -> None:
    with serve(api, fails_first(fault, times=2)) as server:
        (response,) = ask(settings_for(api, server), journal, question())
    assert response.text == "yes"
    assert len(server.asked) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_does_not_pass_is_no_reply(api: str, journal: Path, fault: str) -> None:
    with serve(api, lambda asked: Fault(fault)) as server:
        with pytest.raises(NoReply, match=r"\(3 attempts\)$") as told:
            ask(settings_for(api, server, tries=3), journal, question())
        assert len(server.asked) == 3
    assert "\n" not in str(told.value)
    assert SAID.get(fault, "") in str(told.value)


@pytest.mark.parametrize("fault", FATAL)
def test_a_fatal_fault_stops_all_at_once(api: str, journal: Path, fault: str) -> None:
    async def twice(llm: LLM) -> None:
        for _ in range(2):
            with pytest.raises(LLMError) as told:
                await llm.complete(question())
            assert "\n" not in str(told.value)

    with serve(api, lambda asked: Fault(fault)) as server:
        with_llm(settings_for(api, server), journal, twice)
        assert len(server.asked) == 1


def test_a_fatal_fault_ends_the_requests_that_wait(api: str, journal: Path) -> None:
    questions = [question(sample=number) for number in range(50)]

    async def all_at_once(llm: LLM) -> list[object]:
        return await asyncio.gather(*map(llm.complete, questions), return_exceptions=True)

    with serve(api, lambda asked: Fault("401")) as server:
        ended = with_llm(settings_for(api, server, concurrency=5), journal, all_at_once)
        assert {type(error) for error in ended} == {LLMError}
        assert len(server.asked) <= 5


def test_a_request_that_is_refused_is_not_sent_again(api: str, journal: Path) -> None:
    with serve(api, fails_first("400")) as server:
        with pytest.raises(NoReply, match="HTTP 400"):
            ask(settings_for(api, server), journal, question())
        assert len(server.asked) == 1
        assert ask(settings_for(api, server), journal, question())[0].text == "yes"


def test_when_nothing_is_ever_answered_the_run_stops(api: str, journal: Path) -> None:
    async def many(llm: LLM) -> list[str]:
        errors = []
        for number in range(12):
            with pytest.raises((NoReply, LLMError)) as told:
                await llm.complete(question(sample=number))
            errors.append(told.type.__name__)
        return errors

    with serve(api, lambda asked: Fault("400")) as server:
        errors = with_llm(settings_for(api, server), journal, many)
        assert errors == ["NoReply"] * 9 + ["LLMError"] * 3
        assert len(server.asked) == 10


def test_a_server_that_never_answers_ends_by_the_timeout(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Fault("silent")) as server:
        began = time.monotonic()
        with pytest.raises(NoReply, match=r"no whole answer within 0\.3 s"):
            ask(settings_for(api, server, timeout_s=0.3), journal, question())
        assert 0.6 <= time.monotonic() - began < 5
        assert len(server.asked) == 2


def test_a_server_that_never_ends_its_answer_ends_by_the_timeout(api: str, journal: Path) -> None:
    endless = Reply("x" * 1000, pieces=1000, pause_s=0.05)
    with serve(api, lambda asked: endless) as server, pytest.raises(NoReply, match="no whole"):
        ask(settings_for(api, server, timeout_s=0.3), journal, question())


@pytest.mark.slow
def test_where_no_server_ever_was_the_run_stops_soon(
    api: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server, tries=100)
    monkeypatch.setattr(retries, "_FIRST_DELAY_S", 0.5)
    line = rf"no connection to {server.url}/?: .*; start the server, or set llm\.base_url"
    began = time.monotonic()
    with pytest.raises(LLMError, match=line) as told:
        ask(settings, journal, *[question(sample=number) for number in range(20)])
    assert 1 < time.monotonic() - began < 10
    assert "\n" not in str(told.value)


def test_a_host_without_an_address_is_told_soon(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server, base_url="http://no-such-host.invalid/v1")
    with pytest.raises(LLMError, match=r"no connection to http://no-such-host\.invalid/v1"):
        ask(settings, journal, question())


def test_a_server_that_has_answered_and_goes_away_is_waited_for(api: str, journal: Path) -> None:
    async def main() -> None:
        with serve(api, lambda asked: Reply("yes")) as server:
            llm = open_llm(settings_for(api, server), Journal(journal))
            await llm.complete(question())
        with pytest.raises(NoReply, match=r"no connection to .* \(6 attempts\)$"):
            await llm.complete(question(sample=1))
        await llm.close()

    asyncio.run(main())


def test_the_server_says_how_long_to_wait(api: str, journal: Path) -> None:
    def answer(asked: Asked) -> Answer:
        return Reply("yes") if asked.number else Fault("429", retry_after="1")

    with serve(api, answer) as server:
        began = time.monotonic()
        ask(settings_for(api, server), journal, question())
        assert time.monotonic() - began >= 1


def test_a_wait_that_is_too_long_is_no_reply(api: str, journal: Path) -> None:
    with (
        serve(api, lambda asked: Fault("429", retry_after="86400")) as server,
        pytest.raises(NoReply, match=r"[Rr]ate limit"),
    ):
        ask(settings_for(api, server), journal, question())
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@given(st.text())
def test_any_wait_is_a_number_or_nothing(text: str) -> None:
    seconds = retry_after_s({"retry-after": text, "retry-after-ms": text})
    assert seconds is None or 0 <= seconds < float("inf")


@given(attempts=st.integers(1, 20), after=st.none() | st.floats(0, 600))
def test_a_delay_grows_and_is_never_shorter_than_the_server_wants(
    attempts: int, after: float | None
) -> None:
    delay = retries.delay_s(attempts, after)
    assert (after or 0) <= delay <= (after or 60) * 1.1 + 1


@pytest.mark.parametrize("fault", [*PASSING, "empty", "truncated", "refusal"])
def test_a_third_of_faulty_answers_leaves_no_request_without_one(
    api: str, journal: Path, fault: str
) -> None:
    replies = {
        "empty": Reply(""),
        "truncated": Reply("def f(", stop="length"),
        "refusal": Reply("I cannot help with that.", stop="refusal"),
    }
    faulty = replies.get(fault, Fault(fault))
    answer = random_faults(lambda asked: Reply("yes"), [faulty], 0.3)
    questions = [question(sample=number) for number in range(40)]
    with serve(api, answer) as server:
        answers = ask(settings_for(api, server), journal, *questions)
    assert len(answers) == 40
    faults = sum(answer.text != "yes" for answer in answers) + len(server.asked) - 40
    assert faults > 0


def test_what_the_failed_attempts_said_is_on_record(api: str, journal: Path) -> None:
    with serve(api, fails_first("529", times=2)) as server:
        ask(settings_for(api, server), journal, question())
    (file,) = journal.iterdir()
    assert json.loads(file.read_text())["failures"] == ["HTTP 529: Overloaded"] * 2


def test_keys_are_in_no_error_no_journal_and_no_log(
    api: str, journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("OTHER_PASSWORD", "not-for-anybody")
    with serve(api, lambda asked: Reply("yes")) as server:
        # Like some real ones, it repeats a wrong key in its error.
        server.key = "another-key"
        with pytest.raises(LLMError, match=r"the key is wrong .*\[key\]") as told:
            ask(settings_for(api, server), journal, question())
    assert told.value.__cause__ is None
    files = [file.read_text() for file in journal.iterdir()]
    assert len(files) == 1
    for text in (str(told.value), caplog.text, *files):
        assert KEY not in text
    leaked = f"keys: {KEY} not-for-anybody Bearer abcdef sk-unknown-to-all http://me:you@host/"
    assert one_line(leaked) == "keys: [key] [key] [key] [key] http://[key]host/"


def _garbage(api: str, data: bytes) -> Response | Exception:
    async def handle(exchange: Exchange) -> None:
        exchange.start_stream("text/event-stream")
        await exchange.chunk(data)
        await exchange.end_stream()

    server = HttpServer(handle)
    server.url = server.address  # type: ignore[attr-defined]

    async def main() -> Response:
        chosen = settings_for(api, server)  # type: ignore[arg-type]
        client: Client = _client(chosen)
        try:
            return await client.ask(question(), CallMeter(question(), chosen))
        finally:
            await client.close()

    try:
        return asyncio.run(main())
    except (Failed, LLMError) as error:
        return error
    finally:
        server.close()


NAMES = (
    *("type", "message", "usage", "model", "delta", "content_block", "choices", "index", "error"),
    *("input_tokens", "prompt_tokens", "text", "content", "stop_reason", "finish_reason"),
)
STARTS = ("message_start", "content_block_start", "content_block_delta")
KINDS = st.sampled_from((*STARTS, "message_delta", "message_stop", "error"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@pytest.mark.parametrize("which", APIS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(st.tuples(KINDS, JSON), min_size=1, max_size=4))
def test_no_stream_whatsoever_is_an_accident(which: str, events: list[tuple[str, object]]) -> None:
    data = b"".join(
        b"event: %s\ndata: %s\n\n"
        % (kind.encode(), json.dumps({"type": kind, **e} if isinstance(e, dict) else e).encode())
        for kind, e in events
    )
    assert isinstance(_garbage(which, data), Response | Failed | LLMError)
