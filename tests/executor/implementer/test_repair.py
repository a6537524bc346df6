"""A trial that crashes in its first seconds is given back to the model that wrote its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from executor import Executor, Idea, Outcome, Problem
from executor.implementer.llm import LLMImplementer
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from tests.executor.llm.asking import KEY, settings_for
from tests.executor.runs import examined, tiny, trials
from tests.llm_servers import Answer, Asked, LLMServer, Reply, serve

pytest.importorskip("openai")

BLOCK = "run.sh\n<<<<<<< SEARCH\nsleep 0\n=======\n{}\n>>>>>>> REPLACE\nvalue: 10 -> 12\n"
CRASHES = BLOCK.format("echo the disk is full\nexit 3")
RUNS = BLOCK.format("sleep 0.1")
NOT_THERE = "value: 11 -> 12"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return tiny(tmp_path / "tiny")


@contextmanager
def answering(*texts: str) -> Iterator[LLMServer]:
    """A server that gives these answers in turn, and the last one for ever."""

    def answer(asked: Asked) -> Answer:
        return Reply(texts[min(asked.number, len(texts) - 1)])

    with serve("openai", answer) as server:
        yield server


def execute(
    problem: Problem,
    server: LLMServer,
    look: Callable[[Executor], Any] = lambda executor: None,
    *,
    repair_within_s: float = 60.0,
    **fields: Any,
) -> Outcome:
    """The outcome of one idea in words, in the run that lies beside the problem."""
    folder = problem.folder.parent
    llm = open_llm(settings_for("openai", server, **fields), Journal(folder / "llm"))
    implementer = LLMImplementer(
        problem, llm, samples=1, revisions=1, repair_within_s=repair_within_s
    )
    with Executor(problem, store=folder / "store", slots=1, implementer=implementer) as executor:
        [outcome] = executor.execute([Idea("a", "Write a dozen.")])
        look(executor)
    return outcome


def test_a_crash_is_put_right_by_who_wrote_the_code(problem: Problem) -> None:
    def look(executor: Executor) -> None:
        run = executor.run
        assert [turn.purpose for turn in run.exchange("a")] == ["implement", "repair"]
        assert "the disk is full" in run.exchange("a")[1].asked
        assert "sleep 0.1" in run.diff("a") and "sleep 0.1" in run.codebase("a")["run.sh"]
        assert len(trials(run)) == 2 and "the disk is full" not in run.log("a")
        assert "the disk is full" in executor.store.read_text(run.log_path("a"))

    with answering(CRASHES, RUNS) as server:
        outcome = execute(problem, server, look)
        conversation = [message["content"] for message in server.asked[1].body["messages"]]
    assert (outcome.status, outcome.reward, outcome.repaired) == ("completed", 12, True)
    assert conversation[-2] == CRASHES.strip() and examined(problem) == [12]


def test_without_the_setting_a_crash_stands(problem: Problem) -> None:
    with answering(CRASHES, RUNS) as server:
        outcome = execute(problem, server, repair_within_s=0)
        assert len(server.asked) == 1
    assert (outcome.status, outcome.repaired) == ("crashed", False)


def test_what_crashes_later_stands(problem: Problem) -> None:
    with answering(BLOCK.format("sleep 1\nexit 3"), RUNS) as server:
        assert execute(problem, server, repair_within_s=0.9).status == "crashed"
        assert len(server.asked) == 1


def test_an_idea_is_repaired_once(problem: Problem) -> None:
    second = BLOCK.format("exit 4")
    with answering(CRASHES, second, RUNS) as server:
        outcome = execute(problem, server)
        assert len(server.asked) == 2
    assert (outcome.status, outcome.repaired) == ("crashed", True)


def test_a_repair_may_be_revised(problem: Problem) -> None:
    with answering(CRASHES, NOT_THERE, RUNS) as server:
        assert execute(problem, server).reward == 12
        assert len(server.asked) == 3


def test_a_repair_that_does_not_apply_leaves_the_crash(problem: Problem) -> None:
    def look(executor: Executor) -> None:
        turns = executor.run.exchange("a")
        assert [turn.purpose for turn in turns] == ["implement", "repair", "revise"]
        assert turns[2].problem and "exit 3" in executor.run.diff("a")

    with answering(CRASHES, NOT_THERE) as server:
        outcome = execute(problem, server, look)
    assert (outcome.status, outcome.repaired) == ("crashed", False)


def test_without_money_for_a_repair_the_crash_stands(problem: Problem) -> None:
    with answering(CRASHES, RUNS) as server:
        outcome = execute(problem, server, budget={"calls": 1})
        assert len(server.asked) == 1
    assert outcome.status == "crashed"


def test_a_kill_between_crash_and_repair_costs_nothing_twice(problem: Problem) -> None:
    exchanges: list[Any] = []
    with answering(CRASHES, RUNS) as server:
        first = execute(problem, server)
        # As if the process had ended before the outcome was noted, or before the second trial.
        folder = problem.folder.parent / "store/runs/default/ideas/a"
        for lost in (["outcome.json"], ["outcome.json", "repair.zip", "repair_log.txt"]):
            for name in lost:
                (folder / name).unlink()
            again = execute(problem, server, lambda e: exchanges.append(e.run.exchange("a")))
            assert (again.reward, again.repaired) == (first.reward, True)
        assert len(server.asked) == 2
    assert len(exchanges[0]) == len(exchanges[1]) == 2 and examined(problem) == [12]
