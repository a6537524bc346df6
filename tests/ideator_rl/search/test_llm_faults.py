"""Three bad replies in ten, to the ideator or to the implementer: a search still fills its budget
exactly, and none of them costs a trial or is taken for an answer.

Ideas come through the one SDK and code through the other. Where a bad reply can hold something that
looks like an answer, it does: an idea, or an edit, that names the number 666.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anthropic")
pytest.importorskip("openai")

from executor import Executor, Idea, Outcome, load_problem
from executor.llm import retries
from executor.llm.records import LLMError
from executor.settings import convert
from executor.store.runs import RunFolder, Store
from ideator_rl.open_implementer import open_implementer
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.loop import search
from ideator_rl.search.open_ideator import open_ideator
from tests.executor.runs import examined, tiny, trials
from tests.llm_servers import Answer, Asked, Fault, LLMServer, Reply, serve

IDEAS, EPOCH, BASELINE = 10, 5, 10
TIMEOUTS = {"never answers": 2.0}
IDEA = "[Experiment] Write {n}, a larger number.\n[Code Changes] Set value to {n}.\n[End]\n"
EDIT = "settings.py\n<<<<<<< SEARCH\nvalue = 10\n=======\nvalue = {n}\n>>>>>>> REPLACE\n"
PROSE = "There are many numbers, and I would be glad to think about them with you."

PASSING: dict[str, Answer] = {
    "HTTP 500": Fault("500"),
    "429 with retry-after": Fault("429", retry_after="0"),
    "invalid JSON": Fault("invalid_json"),
    "no choices": Fault("no_choices"),
    "mid-stream": Fault("mid_stream", text=IDEA.format(n=666) + EDIT.format(n=666)),
    "reset": Fault("reset"),
    "never answers": Fault("silent"),
}
BAD_IDEAS: dict[str, Answer] = {
    "prose": Reply(PROSE),
    "empty": Reply(""),
    "truncated": Reply(IDEA.format(n=666)[:70], stop="length"),
    "syntax error": Reply('[{"experiment": "Write 666.", "code_changes": "Set value to 666'),
    "refusal": Reply(IDEA.format(n=666), stop="refusal"),
    "another language": Reply("Es gibt viele Zahlen; welche gemeint ist, weiß ich noch nicht."),
    "a megabyte": Reply("and so on " * 100_000),
    **PASSING,
}
BAD_DIFFS: dict[str, Answer] = {
    "prose": Reply(PROSE),
    "empty": Reply(""),
    # What is there of it applies.
    "truncated": Reply(EDIT.format(n=666) + "\nsettings", stop="length"),
    "syntax error": Reply(EDIT.format(n="(666")),
    "refusal": Reply(EDIT.format(n=666), stop="refusal"),
    "another language": Reply("我建议写一个更大的数。"),
    "a megabyte": Reply("and so on " * 100_000),
    **PASSING,
}


class Faulty:
    """Answers like `right`, but a request for which `when` is true gets `bad`."""

    def __init__(
        self, right: Callable[[Asked], Reply], bad: Answer, when: Callable[[Asked], bool]
    ) -> None:
        self._right, self._bad, self._when = right, bad, when
        self.calls = self.faults = 0

    def __call__(self, asked: Asked) -> Answer:
        self.calls += 1
        if not self._when(asked):
            return self._right(asked)
        self.faults += 1
        return self._bad


def three_in_ten(asked: Asked) -> bool:
    return asked.number % 10 in (0, 3, 6)


def first_of_every_second_idea() -> Callable[[Asked], bool]:
    """A third of all requests, never two of one idea."""
    seen: set[int] = set()

    def is_first(asked: Asked) -> bool:
        number = number_of(asked)
        first = number not in seen
        seen.add(number)
        return first and number % 2 == 0

    return is_first


def ideas() -> Callable[[Asked], Reply]:
    numbers = itertools.count(11)
    return lambda asked: Reply(IDEA.format(n=next(numbers)))


def code(asked: Asked) -> Reply:
    return Reply(f"Here it is.\n{EDIT.format(n=number_of(asked))}")


def number_of(asked: Asked) -> int:
    """What an idea that is to be implemented names."""
    return int(re.findall(r"Set value to (\d+)\.", str(asked.body["messages"]))[-1])


@dataclass(frozen=True)
class Run:
    """What a search has left behind; `examined` are the values of all trials, with the baseline."""

    folder: RunFolder
    outcomes: dict[str, tuple[Idea, Outcome | None]]
    examined: list[int]


def search_with(
    folder: Path,
    writes_ideas: Callable[[Asked], Answer],
    writes_code: Callable[[Asked], Answer],
    timeout_s: float = 30,
) -> Run:
    problem = tiny(folder / "tiny")
    with serve("anthropic", writes_ideas) as first, serve("openai", writes_code) as second:
        recipe = convert(recipe_fields(folder, first, second, timeout_s), SearchRecipe)
        run = Store(recipe.store).run(recipe.run)
        ideator = open_ideator(recipe.ideator, problem, run)
        implementer = open_implementer(recipe.implementer, problem, run)
        with Executor(
            problem,
            store=recipe.store,
            run=recipe.run,
            slots=recipe.executor.slots,
            implementer=implementer,
            sandbox=recipe.sandbox,
            max_ideas=recipe.budget.ideas,
        ) as executor:
            asyncio.run(search(recipe, executor, ideator, lambda idea, outcome: None))
    ideas = [run.idea(key) for key in run.trials() if re.fullmatch(r"\d+-\d+", key)]
    outcomes = {idea.id: (idea, run.outcome(idea.id)) for idea in ideas if idea}
    return Run(run, outcomes, examined(problem))


def recipe_fields(
    folder: Path, ideator: LLMServer, implementer: LLMServer, timeout_s: float
) -> dict[str, Any]:
    llm = {"model": "m", "timeout_s": timeout_s, "tries": 10}
    author = {**llm, "api": "anthropic", "base_url": ideator.url}
    programmer = {**llm, "api": "openai", "base_url": implementer.url}
    return {
        "env": "tiny",
        "run": "faults",
        "store": str(folder / "store"),
        "search": {"epoch_size": EPOCH},
        "budget": {"ideas": IDEAS},
        "executor": {"slots": 2, "baseline_seeds": 1, "sandbox": "none"},
        "ideator": {"kind": "api", "llm": author},
        "implementer": {"kind": "llm", "samples": 1, "llm": programmer},
    }


def check(run: Run) -> list[str]:
    """The budget is filled exactly, and every trial is one of an idea whose code is what it asked
    for. Returns why the other ideas have none."""
    numbers, without_code = [], []
    for idea, outcome in run.outcomes.values():
        number = int(re.findall(r"Set value to (\d+)\.", idea.text)[0])
        assert outcome is not None and number != 666
        if outcome.status == "completed":
            assert outcome.metrics["value"] == number
            numbers.append(number)
        else:
            assert (outcome.status, outcome.stage) == ("not_implemented", "implement")
            without_code.append(outcome.detail)
    assert len(run.outcomes) == IDEAS
    assert sorted(run.examined) == sorted([BASELINE, *numbers])
    assert len(trials(run.folder)) == len(run.examined)
    return without_code


def kinds(replies: Mapping[str, Answer]) -> list[Any]:
    slow = pytest.param("never answers", marks=pytest.mark.release)
    return [slow if kind == "never answers" else kind for kind in replies]


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds(BAD_IDEAS))
def test_bad_replies_to_the_ideator_leave_no_gap_and_cost_no_trial(
    tmp_path: Path, kind: str
) -> None:
    author = Faulty(ideas(), BAD_IDEAS[kind], three_in_ten)
    run = search_with(tmp_path, author, code, TIMEOUTS.get(kind, 30))
    assert author.faults >= 5 and author.faults >= 0.3 * author.calls
    assert check(run) == []
    kept = [event for event in run.folder.events() if event["event"] == "ideation"]
    if kind not in PASSING:
        # The record says why each of them was of no use.
        assert sum(event["ideas"] == 0 and event["reason"] != "" for event in kept) == author.faults


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds(BAD_DIFFS))
def test_bad_replies_to_the_implementer_leave_no_gap_and_cost_no_trial(
    tmp_path: Path, kind: str
) -> None:
    programmer = Faulty(code, BAD_DIFFS[kind], first_of_every_second_idea())
    run = search_with(tmp_path, ideas(), programmer, TIMEOUTS.get(kind, 30))
    assert programmer.faults == 5 and programmer.faults >= 0.3 * programmer.calls
    without_code = check(run)
    if kind == "refusal":
        # It is not argued with.
        assert len(without_code) == programmer.faults
        assert all(why.startswith("the model refused: ") for why in without_code)
    else:
        assert without_code == []
    turns = [turn for idea in run.outcomes for turn in run.folder.exchange(idea)]
    if kind not in PASSING:
        assert sum(turn.problem != "" for turn in turns) == programmer.faults


@pytest.mark.parametrize("fault", ["401", "404", "no_money"])
def test_what_no_retry_mends_in_the_implementer_ends_the_search_at_once(
    tmp_path: Path, fault: Any
) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return Fault(fault)

    with pytest.raises(LLMError) as told:
        search_with(tmp_path, ideas(), answer)
    # Those that were on their way when the first was answered.
    assert "\n" not in str(told.value) and 1 <= len(asked) <= EPOCH
    assert examined(load_problem(tmp_path / "tiny")) in ([], [BASELINE])


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_DELAY_S", 0.01)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
