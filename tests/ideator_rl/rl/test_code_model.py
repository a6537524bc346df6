"""GRPO with a code model: the policy writes words, the implementer's model writes the code."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("verl")
pytest.importorskip("ray")

import yaml

from ideator_rl.analysis import load_run
from ideator_rl.analysis.metrics_file import read_steps
from tests.ideator_rl.command_line import in_process
from tests.ideator_rl.rl.killed_runs import (
    TIMEOUT_S,
    last_step,
    processes,
    run_of,
    start,
    trials,
    wait_for,
)
from tests.llm_servers import Asked, LLMServer, Reply, serve
from tests.models import teach
from tests.store_workers import worker

pytestmark = pytest.mark.timeout(900)
KEY = "a key for the tests"
IDEAS = [
    "<think>Fast.</think>[Experiment] Larger steps.\n[Code Changes]\nlearning rate of 0.05",
    "<think>Wide.</think>[Experiment] A wider layer.\n[Code Changes]\nhidden size of 64",
]
# What the code model answers, and what is in the codebase then.
CODE = {
    "learning rate of 0.05": ("learning_rate: 0.005 -> 0.05", "learning_rate: float = 0.05"),
    "hidden size of 64": ("hidden_size: 32 -> 64", "hidden_size: int = 64"),
}


def write_code(asked: Asked) -> Reply:
    edit = next((edit for words, (edit, _) in CODE.items() if words in asked.text), "no idea")
    return Reply(edit, delay_s=0.2)


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with serve("openai", write_code) as server:
        yield server


@pytest.fixture
def place(short_place: Path, server: LLMServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe: the policy knows two ideas in words, the code model writes both."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    teach(short_place / "model", IDEAS)
    path = short_place / "config_small.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["answer"]["max_answer_tokens"] = 96
    llm = {"api": "openai", "model": "code-model", "base_url": server.url}
    settings["implementer"] = {"kind": "llm", "samples": 1, "revisions": 0, "llm": llm}
    path.write_text(yaml.safe_dump(settings))
    return short_place


def check_complete(place: Path, server: LLMServer) -> None:
    """Both steps are there, the code is the code model's, and no reply was paid for twice."""
    run = run_of(place)
    assert list(read_steps(place / "store/runs/small/metrics.jsonl")) == [1, 2]
    assert read_steps(place / "store/runs/small/metrics.jsonl")[2]["completed"] > 0
    found = set()
    for key in run.trials():
        if (outcome := run.outcome(key)) and outcome.completed and outcome.idea_id != "baseline":
            [words] = [words for words in CODE if words in run.idea(key).text]
            assert CODE[words][1] in run.codebase(key)["train.py"]
            found.add(words)
    assert found == set(CODE)
    asked = [question.text for question in server.asked]
    assert len(asked) == len(set(asked)) == len(load_run(run).requests)
    assert set(trials(place).values()) == {1}


@pytest.mark.slow
def test_a_spent_budget_is_one_line_and_a_larger_one_goes_on_with_workers_of_the_store(
    place, server
):
    objective = ("--objective.kind", "max_at_k", "--objective.k", "2")
    objective += ("--signal.duplicates", "fail")
    by_turns = ("--executor.workers.kind", "local")
    first = start(place, *objective, *by_turns, "--implementer.llm.budget.calls", "1")
    output, _ = first.communicate(timeout=TIMEOUT_S)
    assert first.returncode == 2, output
    [line] = [text for text in output.splitlines() if text.startswith("ideator-rl: ")]
    assert "implementer.llm.budget.calls" in line and "the same command goes on" in line
    assert "Traceback" not in output and len(server.asked) == 1
    with worker(place / "store", "digits", logs=place) as there:
        second = start(place, *objective, "--executor.workers.kind", "store")
        output, _ = second.communicate(timeout=TIMEOUT_S)
        assert second.returncode == 0, output
        assert there.ran
    check_complete(place, server)
    # Groups whose ideas differ teach it; what is reported is the measured reward, not the signal.
    steps = read_steps(place / "store/runs/small/metrics.jsonl").values()
    assert max(step["actor/grad_norm"] for step in steps) > 0
    best = max(o.reward for key in run_of(place).trials() if (o := run_of(place).outcome(key)))
    assert max(step["reward/max"] for step in steps) <= best


@pytest.mark.release
def test_kills_of_driver_executor_and_trial_lose_nothing_and_pay_for_nothing_twice(place, server):
    first = start(place)
    wait_for(lambda: last_step(place) >= 1, 300, first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    wait_for(lambda: not processes(place), 60)

    # The codebases of both ideas have run: more baselines give trials to kill.
    second = start(place, "--executor.baseline_seeds", "6")
    wait_for(lambda: processes(place, "ray::run_trial"), 200, second)
    os.kill(processes(place, "ray::run_trial")[0], signal.SIGKILL)
    os.kill(processes(place, "ray::ExecutorActor")[0], signal.SIGKILL)
    output, _ = second.communicate(timeout=TIMEOUT_S)
    assert second.returncode == 0, output
    check_complete(place, server)
    wait_for(lambda: not processes(place), 60)


def test_a_code_model_without_a_key_is_one_line_before_anything_starts(recipe, tmp_path):
    model = ("--implementer.kind", "llm", "--implementer.llm.model", "m")
    words = ("train", "--config", str(recipe), *model, "--implementer.llm.api", "openai")
    told = in_process(tmp_path, *words, OPENAI_API_KEY="")
    assert told.code == 2 and "OPENAI_API_KEY" in told.err and told.err.count("\n") == 1
