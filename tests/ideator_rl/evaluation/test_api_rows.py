"""Evaluations of language models behind an API: rows of the same table as checkpoints."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("openai")

import yaml

from ideator_rl.evaluation.recipe import read_evaluation, row_labels
from tests.executor.runs import wait_until
from tests.ideator_rl.command_line import command, in_process, make_workplace
from tests.llm_servers import Asked, LLMServer, Reply, serve

PRICES = {"input": 1.0, "output": 2.0}


def is_for_ideas(asked: Asked) -> bool:
    return "You are a machine-learning researcher" in asked.system + asked.text


def research(asked: Asked) -> Reply:
    """Ten ideas a call, each another number; and the code for the number that is asked for."""
    if is_for_ideas(asked):
        first = 100 * asked.number + 11
        return Reply(
            "".join(
                f"[Experiment] Write {n}, a larger number.\n"
                f"[Code Changes] In settings.py set value to {n}.\n[End]\n"
                for n in range(first, first + 10)
            ),
            delay_s=0.3,
        )
    numbers = re.findall(r"set value to ([0-9]+)", asked.text) or ["12"]
    return Reply(f"value: 10 -> {numbers[-1]}")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LLMServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "a key for the tests")
    with serve("openai", research) as server:
        yield server


@pytest.fixture
def workplace(tmp_path: Path, server: LLMServer) -> Path:
    """The tiny problem, and an evaluation of two language models behind an API."""
    make_workplace(tmp_path)
    llm = {"api": "openai", "base_url": server.url, "model": "code-model"}
    author = {**llm, "prices": PRICES}
    recipe = {
        "env": "tiny",
        "n": 12,
        "apis": {"small": {**author, "model": "a"}, "large": {**author, "model": "b"}},
        "implementer": {"kind": "llm", "samples": 1, "llm": llm},
        "executor": {"slots": 2, "sandbox": "best-effort"},
    }
    (tmp_path / "config_apis.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return tmp_path


ASK = ("evaluate", "--config", "config_apis.yaml", "--out", "results")


def authors_calls(server: LLMServer) -> int:
    return sum(map(is_for_ideas, server.asked))


def test_models_behind_an_api_are_rows_of_their_own(workplace: Path, server: LLMServer) -> None:
    done = in_process(workplace, *ASK, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["small", "large", "library", "baseline"]
    for name, model in (("small", "a"), ("large", "b")):
        row = rows[name]
        assert (row["kind"], row["model"], row["n"]) == ("api", model, 12)
        assert row["statuses"] == {"completed": 12} and row["distinct"] == 12
        assert row["sampling_usd"] > 0 and row["sampling_s"] > 0
    assert rows["library"]["sampling_usd"] is None
    [comparison] = found["comparisons"]
    assert (comparison["row"], comparison["against"]) == ("large", "small")
    # Ten ideas, then two, of each model.
    assert authors_calls(server) == 4
    page = (workplace / "results/report.html").read_text()
    assert "US dollars" in page

    asked = len(server.asked)
    again = in_process(workplace, *ASK)
    assert again.code == 0 and len(server.asked) == asked
    assert "sampling, US dollars" in again.out


@pytest.mark.slow
def test_a_kill_pays_for_no_reply_twice(workplace: Path, server: LLMServer) -> None:
    first = subprocess.Popen(command(ASK), cwd=workplace, stderr=subprocess.DEVNULL)
    kept = workplace / "results/ideas.jsonl"
    wait_until(lambda: kept.exists() and kept.read_text().count("api:small") >= 10, 60)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert in_process(workplace, *ASK).code == 0
    ideators = filter(is_for_ideas, server.asked)
    questions = [(asked.body["model"], asked.text) for asked in ideators]
    # What was under way at the kill may be asked again, and nothing else.
    assert len(questions) - len(set(questions)) <= 1
    texts = [json.loads(line)["text"] for line in kept.read_text().splitlines()]
    assert len(texts) == len(set(texts))


def test_a_spent_budget_is_one_line_and_a_larger_one_goes_on(workplace: Path) -> None:
    done = in_process(workplace, *ASK, "--apis.large.budget.calls", "1")
    [line] = [text for text in done.err.splitlines() if text.startswith("ideator-rl: ")]
    assert done.code == 2 and "apis.large.budget.calls" in line
    assert in_process(workplace, *ASK).code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--apis", "{}"), "models: name at least one, or a language model under apis"),
        (("--implementer", "{kind: direct}"), "set implementer.kind: llm"),
        (("--apis", "{library: {api: openai, model: a}}"), "'library' names no row of its own"),
        (("--apis", "{../x: {api: openai, model: a}}"), "'../x' names no row of its own"),
        (("--apis", "{a: {api: openai, model: a, effrot: 3}}"), "effrot: unknown key"),
        (("--apis", "{a: {api: anthropic, model: a}}"), "ANTHROPIC_API_KEY"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(
    workplace: Path, words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    done = in_process(workplace, *ASK, *words)
    assert done.code == 2 and told in done.err.splitlines()[-1], done.err


def test_rows_are_checkpoints_first() -> None:
    recipe = read_evaluation(
        None,
        {
            "env": "tiny",
            "models": ["a/model"],
            "apis": {"claude": {"api": "anthropic", "model": "m"}},
            "implementer": {"kind": "llm", "llm": {"api": "openai", "model": "m"}},
        },
    )
    assert row_labels(recipe) == {"a/model": "a", "api:claude": "claude"}
