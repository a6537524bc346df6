"""Searches whose ideas and whose code come from language models, through both SDKs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("anthropic")
pytest.importorskip("openai")

from executor.store.runs import Store
from tests.ideator_rl.command_line import command, ideator_rl, make_workplace, wait_until_gone
from tests.llm_servers import Answer, Asked, Fault, LLMServer, Reply, serve

KEYS = {"ANTHROPIC_API_KEY": "sk-secret-1", "OPENAI_API_KEY": "sk-secret-1"}
_WANTED = re.compile(r"Write (\d+|one) ")
BLOCK = "settings.py\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


def sections(api: str, server: LLMServer, **fields: object) -> str:
    llm = {"api": api, "model": "test-model", "base_url": server.url, "timeout_s": 20, **fields}
    text = json.dumps(llm)
    return f"ideator: {{kind: api, llm: {text}}}\nimplementer: {{kind: llm, llm: {text}}}\n"


def research(asked: Asked) -> Reply:
    """Ideas that name a number each, and code that has it; every third code fails at first."""
    if "You are a machine-learning researcher" in asked.system + asked.text:
        found = _WANTED.search(asked.text)
        count = int(found[1]) if found and found[1].isdigit() else 1
        rng = random.Random(asked.text + str(asked.number))
        numbers = rng.sample(range(11, 10_000), count)
        return Reply(
            "".join(
                f"[Experiment] Write {n}, a larger number.\n"
                f"[Code Changes] In settings.py set value to {n} instead of 10.\n[End]\n"
                for n in numbers
            )
        )
    conversation = json.dumps(asked.body)
    number = int(re.findall(r"set value to (\d+)", conversation)[-1])
    old = "value = 10" if number % 3 or "value = ten" in conversation else "value = ten"
    return Reply(f"Here it is.\n{BLOCK.format(old=old, new=f'value = {number}')}")


@pytest.mark.parametrize("api", ["anthropic", pytest.param("openai", marks=pytest.mark.slow)])
def test_a_search_in_plain_words_fills_its_budget_exactly(tmp_path: Path, api: str) -> None:
    rng = random.Random(0)

    def answer(asked: Asked) -> Answer:
        return Fault("500") if rng.random() < 0.3 else research(asked)

    with serve(api, answer) as server:
        make_workplace(tmp_path, sections(api, server, tries=10))
        done = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--json", **KEYS)
        assert done.code == 0, done.err
        told = json.loads(done.out)
        asked = len(server.asked)
        again = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--json", **KEYS)
        assert again.code == 0 and json.loads(again.out)["best"] == told["best"]
        assert len(server.asked) == asked
    assert told["executed"] == 12 and told["completed"] == 12
    run = Store(tmp_path / "store").run("first")
    ideas = [run.idea(key) for key in run.trials() if re.fullmatch(r"\d+-\d+", key)]
    assert len(ideas) == 12 and len({idea.text for idea in ideas}) == 12
    for idea in ideas:
        number = float(re.findall(r"set value to (\d+)", idea.text)[0])
        assert run.outcome(idea.id).metrics["value"] == number
        assert run.exchange(idea.id)[-1].answer
    # No key is in anything that was written or said.
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"sk-secret-1" not in written and "sk-secret-1" not in done.out + done.err


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["epochs", "continuous"])
def test_kill_9_while_it_thinks_and_writes_asks_for_no_kept_reply_again(
    tmp_path: Path, pipeline: str
) -> None:
    questions: list[str] = []

    def answer(asked: Asked) -> Answer:
        questions.append(json.dumps(asked.body, sort_keys=True))
        number = len(questions) - 1
        # Not all at once: a kill comes while others are under way.
        time.sleep(0.1 * (1 + number % 3))
        return replace(research(asked), thinking=f"{number}")

    def kept() -> set[str]:
        """The questions whose replies are in the store."""
        entries = [json.loads(path.read_bytes()) for path in journal.rglob("*.json")]
        replies = [entry["response"] for entry in entries if entry["response"]]
        return {questions[int(reply["thinking"])] for reply in replies}

    journal = tmp_path / "store/runs/first/llm"
    with serve("openai", answer) as server:
        # One sample: then no two questions are the same.
        make_workplace(
            tmp_path, sections("openai", server).replace("llm, llm", "llm, samples: 1, llm")
        )
        words = ["search", "--config", "config.yaml", "--json", "--search.pipeline", pipeline]
        paid: set[str] = set()
        for replies in (1, 3, 7):
            process = subprocess.Popen(
                command(words),
                cwd=tmp_path,
                env={**os.environ, **KEYS},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            asked_before = len(questions)
            while len(kept()) < replies and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert wait_until_gone(str(tmp_path), 10) == []
            assert not paid & set(questions[asked_before:])
            paid |= kept()
        asked_before = len(questions)
        done = ideator_rl(tmp_path, *words, **KEYS)
    assert done.code == 0, done.err
    assert json.loads(done.out)["executed"] == 12
    assert len(paid) >= 7 and not paid & set(questions[asked_before:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "line"), [("401", "key"), ("404", "no such model"), ("no_money", "credit")]
)
def test_what_no_retry_mends_ends_the_search_in_one_line(
    tmp_path: Path, fault: str, line: str
) -> None:
    with serve("anthropic", lambda asked: Fault(fault)) as server:
        make_workplace(tmp_path, sections("anthropic", server))
        done = ideator_rl(tmp_path, "search", "--config", "config.yaml", **KEYS)
        assert len(server.asked) == 1
    assert done.code == 2
    said = [text for text in done.err.splitlines() if text.startswith("ideator-rl: ")]
    assert len(said) == 1 and line in said[0], done.err


@pytest.mark.slow
def test_a_budget_may_be_raised_and_a_model_may_not_be_changed(tmp_path: Path) -> None:
    with serve("openai", research) as server:
        make_workplace(tmp_path, sections("openai", server, budget={"calls": 8}))
        words = ("search", "--config", "config.yaml", "--json")
        spent = ideator_rl(tmp_path, *words, **KEYS)
        # What was paid for is executed and reported.
        told = json.loads(spent.out)
        assert spent.code == 1 and 0 < told["executed"] < 12
        assert "calls: 8 of 8 are spent" in told["ended"] and Path(told["report"]).is_file()
        assert f"ended after {told['executed']} of 12 ideas: " in spent.err
        assert len(server.asked) <= 16
        other = ideator_rl(tmp_path, *words, "--ideator.llm.model", "other", **KEYS)
        assert other.code == 2 and "was started with ideator.llm" in other.err
        more = ("--ideator.llm.budget.calls", "500", "--implementer.llm.budget.calls", "500")
        done = ideator_rl(tmp_path, *words, *more, **KEYS)
    assert done.code == 0 and json.loads(done.out)["executed"] == 12


@pytest.mark.slow
def test_ideas_in_words_are_executed_from_a_file(tmp_path: Path) -> None:
    with serve("openai", research) as server:
        make_workplace(tmp_path, sections("openai", server))
        ideas = [{"id": f"{n}", "text": f"Please set value to {n} instead."} for n in (14, 15)]
        (tmp_path / "ideas.jsonl").write_text("\n".join(map(json.dumps, ideas)))
        words = ("execute", "--env", "tiny", "--ideas", "ideas.jsonl", "--json")
        done = ideator_rl(tmp_path, *words, "--implementer", "config.yaml", **KEYS)
        assert done.code == 0, done.err
        assert [json.loads(line)["reward"] for line in done.out.splitlines()] == [14, 15]
        asked = len(server.asked)
        assert ideator_rl(tmp_path, *words, "--implementer", "config.yaml", **KEYS).out == done.out
        assert len(server.asked) == asked


def build_on_parents(asked: Asked) -> Reply:
    """Ideas that raise the value that their parent has, and code that finds it where it is."""
    told = asked.system + asked.text
    if "You are a machine-learning researcher" in told:
        values = [int(n) for n in re.findall(r"^\+value = (\d+)$", asked.text, re.MULTILINE)]
        number = (values[-1] if values else 10) + 10
        return Reply(f"[Experiment] Set value to {number}.\n[Code Changes] value\n[End]\n")
    number = int(re.findall(r"Set value to (\d+)", asked.text)[-1])
    [there] = re.findall(r"^value = (\d+)$", told, re.MULTILINE)
    return Reply(BLOCK.format(old=f"value = {there}", new=f"value = {number}"))


def test_code_and_ideas_build_on_the_codebase_of_a_parent(tmp_path: Path) -> None:
    with serve("openai", build_on_parents) as server:
        extra = sections("openai", server).replace("llm, llm", "llm, samples: 1, llm")
        make_workplace(tmp_path, extra)
        words = ("search", "--config", "config.yaml", "--json", "--search.method", "sequential")
        words += ("--search.base", "parent", "--budget.ideas", "4", "--confirm.top", "0")
        done = ideator_rl(tmp_path, *words, **KEYS)
        assert done.code == 0, done.err
        asked = [one.text for one in server.asked]
    run = Store(tmp_path / "store").run("first")
    ideas = [run.idea(f"{n:03d}-000") for n in range(4)]
    assert [idea.base for idea in ideas] == ["", "000-000", "001-000", "002-000"]
    assert [run.outcome(idea.id).reward for idea in ideas] == [20, 30, 40, 50]
    assert "-value = 40\n+value = 50\n" in run.base_diff("003-000")
    assert "-value = 10\n+value = 50\n" in run.diff("003-000")
    # Who has the idea is shown the change, and who writes the code is shown the code, as quoted.
    assert sum("Your ideas change what idea 1 made of the codebase" in text for text in asked) == 3
    assert json.loads(done.out)["best"]["reward"] == 50
