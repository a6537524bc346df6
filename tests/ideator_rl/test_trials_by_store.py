"""Searches, evaluations and ideas from a file whose trials other processes take from the store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from executor import Store
from tests.executor.runs import trials, wait_until
from tests.ideator_rl.command_line import command, ideator_rl, in_process, make_workplace
from tests.llm_servers import LLMServer, Reply, serve
from tests.store_workers import worker

pytestmark = pytest.mark.timeout(300)
STORE = ("--executor.workers.kind", "store")


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    return make_workplace(tmp_path)


@pytest.fixture
def code_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[LLMServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "a key for the tests")
    with serve("openai", lambda asked: Reply("value: 10 -> 12")) as server:
        yield server


def with_code_model(workplace: Path, server: LLMServer) -> None:
    """Adds `config_words.yaml`, and an idea in words."""
    (workplace / "ideas.jsonl").write_text(json.dumps({"id": "a", "text": "Write a dozen."}))
    llm = {"api": "openai", "model": "code-model", "base_url": server.url}
    implementer = {"kind": "llm", "samples": 1, "llm": llm}
    (workplace / "config_words.yaml").write_text(
        (workplace / "config.yaml").read_text() + f"implementer: {json.dumps(implementer)}\n"
    )


@pytest.mark.slow
def test_a_search_finds_what_it_finds_on_this_machine(workplace: Path, s3_url: str) -> None:
    words = ("search", "--config", "config.yaml", "--json", "--store")
    here = json.loads(ideator_rl(workplace, *words, "here").out)
    with worker(s3_url, workplace / "tiny") as w:
        there = json.loads(ideator_rl(workplace, *words, s3_url, *STORE).out)
        assert len(w.ran) == len(trials(Store(workplace / "here").run("first")))
    for told in ("executed", "completed", "baseline_rewards"):
        assert here[told] == there[told]
    assert here["best"]["reward"] == there["best"]["reward"]


@pytest.mark.slow
def test_a_driver_that_is_killed_goes_on(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", *STORE)
    run = Store(workplace / "store").run("first")
    with worker(workplace / "store", workplace / "tiny") as w:
        first = subprocess.Popen(
            command(words), cwd=workplace, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: len(run.outcomes(run.trials())) >= 4, 60)
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        kept = {path: path.read_bytes() for path in workplace.rglob("outcome.json")}
        done = ideator_rl(workplace, *words)
        assert done.code == 0 and "going on after" in done.err
        assert {path: path.read_bytes() for path in kept} == kept
        # Nothing ran twice. The kill may have come between a result and the event of its trial.
        assert len(w.ran) == len(list(workplace.glob("store/results/*.json")))


@pytest.mark.slow
def test_code_that_was_left_by_one_process_is_run_by_another(
    workplace: Path, code_model: LLMServer
) -> None:
    with_code_model(workplace, code_model)
    words = ("--env", "tiny", "--ideas", "ideas.jsonl", "--out", "store/runs/first", "--json")
    words += ("--implementer", "config_words.yaml")
    for _ in range(2):
        done = ideator_rl(workplace, "implement", *words)
        assert json.loads(done.out) == {"idea_id": "a", "status": "completed", "detail": ""}
    assert Store(workplace / "store").run("first").outcome("a") is None
    with worker(workplace / "store", workplace / "tiny") as w:
        done = ideator_rl(workplace, "execute", *words, "--workers", "store")
        assert w.ran == ["a"]
    outcome = json.loads(done.out)
    assert (outcome["status"], outcome["reward"], len(code_model.asked)) == ("completed", 12, 1)


@pytest.mark.slow
def test_a_search_executes_what_was_left_in_its_run(workplace: Path, code_model: LLMServer) -> None:
    with_code_model(workplace, code_model)
    words = ("--env", "tiny", "--ideas", "ideas.jsonl", "--implementer", "config_words.yaml")
    ideator_rl(workplace, "implement", *words, "--out", "store/runs/first")
    done = ideator_rl(workplace, "search", "--config", "config.yaml", "--budget.ideas", "13")
    assert done.code == 0
    run = Store(workplace / "store").run("first")
    outcome = run.outcome("a")
    assert outcome is not None and outcome.reward == 12
    assert len([key for key in run.trials() if run.idea(key).origin]) > 12


def test_an_idea_without_code_is_said_and_kept_for_a_later_try(workplace: Path) -> None:
    (workplace / "ideas.jsonl").write_text(json.dumps({"id": "a", "text": "Think harder."}))
    words = ("implement", "--env", "tiny", "--ideas", "ideas.jsonl", "--out", "store/runs/first")
    done = in_process(workplace, *words)
    assert done.code == 0 and done.out.split()[:2] == ["a", "not_implemented"]
    (workplace / "ideas.jsonl").write_text(json.dumps({"id": "a", "text": "value: 10 -> 12"}))
    done = in_process(workplace, *words)
    assert done.code == 2 and "idea id 'a' is taken in the run first by another text" in done.err


@pytest.mark.slow
def test_an_evaluation_runs_there(workplace: Path, tiny_model: Path) -> None:
    shutil.copytree(tiny_model, workplace / "model")
    words = ("evaluate", "--env", "tiny", "--model", "model", "--prompt", "brief", "-n", "2")
    words += ("--max-tokens", "4", "--json", *STORE)
    with worker(workplace / "store", workplace / "tiny") as w:
        found = json.loads(ideator_rl(workplace, *words).out)
        assert "baseline" in w.ran
    assert [row["name"] for row in found["rows"]] == ["model", "library", "baseline"]
    assert found["rows"][1]["completed"] > 0


def test_a_search_without_workers_is_one_line(workplace: Path) -> None:
    done = in_process(
        workplace, "search", "--config", "config.yaml", *STORE, "--executor.slots", "null"
    )
    assert (
        done.code == 2 and "no worker serves tiny" in done.err and "set executor.slots" in done.err
    )


def test_a_price_needs_to_know_how_many_trials_the_workers_run(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--dry-run", *STORE, "--executor.slots", "null")
    done = in_process(workplace, *words)
    assert done.code == 2 and "executor.slots: say how many trials" in done.err
