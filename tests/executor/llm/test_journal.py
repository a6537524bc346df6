"""What was paid for is never lost and never asked twice, whenever the process was killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from executor.errors import StoreError
from executor.llm.journal import Journal, JournalEntry
from executor.llm.meter import NOTHING, Charge
from executor.llm.open import open_llm
from executor.llm.records import LLM, BudgetSpent, LLMError, NoReply, Response, Usage
from tests.executor.llm.asking import ask, question, settings_for, with_llm
from tests.llm_servers import Fault, Reply, serve

RESPONSE = Response("text \ud83d", "thinking", Usage(1, 2, 3, 4), "model", "end", 0.5, 1.5)


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{uuid4().hex}/llm" if request.param == "memory" else str(tmp_path / "llm")


def test_an_answer_outlives_the_process(url: str) -> None:
    journal = Journal(url)
    assert journal.response("key") is None
    entry = journal.begin("key", question(), Charge(1, 100, 9.0))
    kept = journal.answered("key", entry, Charge(1, 10, 0.25), RESPONSE)
    assert kept.cost == 0.25
    assert Journal(url).response("key") == kept
    assert Journal(url).spent() == Charge(1, 10, 0.25)


def test_what_another_process_adds_before_the_first_question_is_known(url: str) -> None:
    early, other = Journal(url), Journal(url)
    kept = other.answered(
        "key", other.begin("key", question(), NOTHING), Charge(1, 10, 0.25), RESPONSE
    )
    assert early.response("key") == kept


def test_a_budget_counts_what_another_process_spends_before_the_first_request(
    api: str, journal: Path
) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server, budget={"calls": 1})

        async def use(llm: LLM) -> None:
            other = Journal(journal)
            other.begin("key", question(), Charge(1, 100, 0.0))
            with pytest.raises(BudgetSpent, match="1 of 1 are spent"):
                await llm.complete(question())

        with_llm(settings, journal, use)
        assert server.asked == []


def test_an_attempt_without_an_end_counts_as_its_worst_case(url: str) -> None:
    journal = Journal(url)
    entry = journal.begin("key", question(), Charge(1, 100, 9.0))
    journal.failed("key", entry, Charge(1, 20, 1.0), "broke")
    journal.begin("key", question(), Charge(1, 100, 9.0))
    again = Journal(url)
    assert again.spent() == Charge(2, 120, 10.0)
    entry = again.begin("key", question(), Charge(1, 100, 9.0))
    assert again.spent() == Charge(3, 220, 19.0)
    assert again.answered("key", entry, Charge(1, 10, 0.5), RESPONSE).cost == 10.5
    assert again.spent() == Charge(3, 130, 10.5)
    assert [entry.failures for entry in again.entries()] == [("broke",)]


def test_a_file_that_a_power_cut_left_empty_is_no_entry(tmp_path: Path) -> None:
    for data in (b"", b"{", b"[]", b'{"purpose": 1}'):
        (tmp_path / "key.json").write_bytes(data)
        assert Journal(tmp_path).response("key") is None
        assert Journal(tmp_path).spent() == Charge()


def test_an_entry_is_json_and_back() -> None:
    entry = JournalEntry("revise", 3, Charge(1, 2, 3.0), Charge(), ("a", "b"), RESPONSE)
    assert JournalEntry.from_json(entry.to_json()) == entry


def test_the_same_question_is_asked_once(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply(f"answer {asked.number}", delay_s=0.1)) as server:
        settings = settings_for(api, server)
        answers = ask(settings, journal, *[question()] * 5)
        answers += ask(settings, journal, question())
        assert {answer.text for answer in answers} == {"answer 0"}
        assert len(server.asked) == 1


def test_another_sample_purpose_or_model_is_another_question(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply(f"answer {asked.number}")) as server:
        settings = settings_for(api, server)
        (first,) = ask(settings, journal, question())
        (second,) = ask(settings, journal, question(sample=1))
        (third,) = ask(settings_for(api, server, model="other"), journal, question())
        (fourth,) = ask(settings_for(api, server, temperature=0.3), journal, question())
        # What only says how fast and how far is no part of the question.
        (again,) = ask(settings_for(api, server, concurrency=1, tries=2), journal, question())
        texts = [answer.text for answer in (first, second, third, fourth, again)]
        assert texts == ["answer 0", "answer 1", "answer 2", "answer 3", "answer 0"]


def test_a_request_without_an_answer_is_asked_again(api: str, journal: Path) -> None:
    with serve(api, lambda a: Fault("400") if a.number == 0 else Reply("yes")) as server:
        settings = settings_for(api, server)

        async def twice(llm: LLM) -> str:
            await asyncio.gather(llm.complete(question()), return_exceptions=True)
            return (await llm.complete(question())).text

        assert with_llm(settings, journal, twice) == "yes"


def test_an_answer_that_cannot_be_kept_is_an_error(api: str, tmp_path: Path) -> None:
    async def use(llm: LLM) -> None:
        # Not even root can write below a file.
        (tmp_path / "llm").rename(tmp_path / "moved")
        (tmp_path / "llm").write_bytes(b"")
        with pytest.raises(StoreError):
            await llm.complete(question())

    with serve(api, lambda asked: Reply("yes")) as server:
        with_llm(settings_for(api, server), tmp_path / "llm", use)
        assert not server.asked


SESSION = """
import asyncio, sys
from tests.executor.llm.asking import opened, question
from executor.llm.settings import LLMSettings
from executor.settings import convert
import json
from pathlib import Path

async def main(raw, journal):
    async with opened(convert(json.loads(raw), LLMSettings), Path(journal)) as llm:
        async def one(n):
            print((await llm.complete(question(sample=n))).text, flush=True)
        await asyncio.gather(*map(one, range(40)))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
def test_nothing_is_lost_or_asked_twice_after_kill_9(api: str, journal: Path) -> None:
    def answer(asked: object) -> Reply:
        return Reply("yes", delay_s=0.05)

    with serve(api, answer) as server:
        raw = {"api": api, "model": "m", "base_url": server.url, "concurrency": 4}
        raw |= {"budget": {"calls": 48}}
        command = [sys.executable, "-c", SESSION, json.dumps(raw), str(journal)]
        printed = 0
        for _ in range(2):
            before = len(server.asked)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 60
            while len(server.asked) < before + 10 and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            printed = max(printed, len(process.communicate()[0].split()))
            # All that anybody saw is kept, and at most what was under way is not.
            kept = [entry for entry in Journal(journal).entries() if entry.response]
            assert len(kept) >= printed
            assert len(server.asked) - len(kept) <= 2 * 4
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        assert done.stdout.split() == ["yes"] * 40
        spent = Journal(journal).spent()
        # What was under way at a kill is asked again and counts twice; nothing else does.
        assert 40 <= len(server.asked) <= spent.calls <= 48


def test_a_kill_leaves_the_worst_case_against_the_budget(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Fault("silent")) as server:
        raw = {"api": api, "model": "m", "base_url": server.url, "budget": {"calls": 40}}
        command = [sys.executable, "-c", SESSION, json.dumps({**raw, "concurrency": 40}), journal]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 60
        while len(server.asked) < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.wait()
        with pytest.raises(BudgetSpent, match="40 of 40 are spent"):
            ask(settings_for(api, server, budget={"calls": 40}), journal, question("new"))
        assert len(server.asked) == 40


def test_a_recording_answers_without_a_server_or_a_key(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with serve(api, lambda asked: Reply("recorded", "thought")) as server:
        settings = settings_for(api, server, prices={"output": 1.0})
        (recorded,) = ask(settings, first / "llm" / "implementer", question())
        ask(settings, first / "llm" / "ideator", question("ideas"))
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    replay = settings_for("replay", server, base_url=None, recording=str(first))
    replayed, ideas = ask(replay, second / "llm", question(), question("ideas"))
    assert ideas.text == "recorded" and not list((second / "llm").iterdir())
    assert (replayed.text, replayed.thinking) == (recorded.text, recorded.thinking)
    assert replayed.usage == recorded.usage
    assert (recorded.cost > 0, replayed.cost) == (True, 0)
    with pytest.raises(LLMError, match="has no answer to this request"):
        ask(replay, second / "llm", question("something else"))


def test_a_recording_may_lie_in_a_bucket(tmp_path: Path) -> None:
    run = f"memory://{uuid4().hex}/runs/first"
    with serve("openai", lambda asked: Reply("recorded")) as server:
        settings = settings_for("openai", server)
        for part in ("ideator", "implementer"):

            async def main(part: str = part) -> None:
                llm = open_llm(settings, Journal(f"{run}/llm/{part}"))
                await llm.complete(question(part))
                await llm.close()

            asyncio.run(main())
    replay = settings_for("replay", server, base_url=None, recording=run)
    answers = ask(replay, tmp_path / "llm", question("ideator"), question("implementer"))
    assert [answer.text for answer in answers] == ["recorded"] * 2
    with pytest.raises(LLMError, match="has no journal of requests"):
        ask(settings_for("replay", server, recording=f"{run}x"), tmp_path / "llm", question())


def test_what_had_no_answer_in_the_recording_has_none(api: str, tmp_path: Path) -> None:
    first = tmp_path / "first"
    with serve(
        api, lambda asked: Reply("yes") if asked.text == "hello" else Fault("400")
    ) as server:
        settings = settings_for(api, server)

        async def use(llm: LLM) -> None:
            with pytest.raises(NoReply):
                await llm.complete(question("bad"))

        with_llm(settings, first / "llm" / "ideator", use)
        Journal(first / "llm" / "ideator").begin(
            settings.key(question("killed")), question("killed"), Charge(1, 1, 0.0)
        )
        assert len(server.asked) == 1
    replay = settings_for("replay", server, base_url=None, recording=str(first))
    for text, why in (("bad", "HTTP 400"), ("killed", "never answered")):
        with pytest.raises(NoReply, match=f"none in the recording: .*{why}"):
            ask(replay, tmp_path / "llm", question(text))


def test_a_recording_that_is_not_there_is_one_line_and_makes_no_folder(tmp_path: Path) -> None:
    with serve("openai", lambda asked: Reply("")) as server:
        missing = settings_for("replay", server, recording=str(tmp_path / "no"))
        with pytest.raises(LLMError, match="has no journal of requests"):
            ask(missing, tmp_path / "llm", question())
    assert not (tmp_path / "no").exists()
