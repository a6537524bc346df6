"""Ideas are executed while others are written: the search loop on a real executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from executor import Executor, Idea, Outcome, load_problem
from executor.errors import UserError
from executor.llm.records import BudgetSpent, LLMError
from ideator_rl.ideators.ideator import GaveUp, IdeaRequest, Ideator, Proposal
from ideator_rl.recipe.read import parse_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.loop import SearchResult, search
from tests.tiny_problem import larger, make_problem, slower

SLOW = slower(3)


class Author:
    """Proposes what `script` yields for each request, and remembers the requests."""

    def __init__(self, script: Callable[[IdeaRequest], AsyncIterator[Sequence[str]]]) -> None:
        self._script = script
        self.requests: list[IdeaRequest] = []

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        self.requests.append(request)
        async for texts in self._script(request):
            yield [Proposal(text) for text in texts]

    async def close(self) -> None:
        pass


def recipe(folder: Path, ideas: int, epoch_size: int, **search: object) -> SearchRecipe:
    raw = {
        "env": str(folder / "tiny"),
        "run": "first",
        "budget": {"ideas": ideas},
        "search": {"method": "best_of_n", "epoch_size": epoch_size, **search},
        "executor": {"slots": 2, "baseline_seeds": 1},
    }
    return parse_recipe(raw, "test")


def run(
    folder: Path,
    asked: SearchRecipe,
    ideator: Ideator,
    on_outcome: Callable[[Idea, Outcome], None] = lambda idea, outcome: None,
) -> SearchResult:
    problem = load_problem(make_problem(folder / "tiny"))
    with Executor(
        problem, store=folder / "store", run="first", slots=2, sandbox="best-effort", max_ideas=99
    ) as executor:
        found = search(asked, executor, ideator, on_outcome)
        return asyncio.run(asyncio.wait_for(found, 60))


def test_a_batch_is_executed_while_the_next_one_is_written(tmp_path: Path) -> None:
    first_is_done = asyncio.Event()

    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        yield [larger(20), larger(21)]
        await first_is_done.wait()
        yield [larger(22)]

    def on_outcome(idea: Idea, outcome: Outcome) -> None:
        if idea.id == "000-001":
            first_is_done.set()

    result = run(tmp_path, recipe(tmp_path, 3, 3), Author(script), on_outcome)
    assert [entry.outcome.reward for entry in result.executed] == [20, 21, 22]


@pytest.mark.parametrize(("pipeline", "slow_is_last"), [("epochs", False), ("continuous", True)])
def test_one_slow_idea_holds_up_an_epoch_but_not_a_continuous_search(
    tmp_path: Path, pipeline: str, slow_is_last: bool
) -> None:
    ended: list[str] = []

    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        number = len(request.seen)
        yield [SLOW if number == 0 else larger(20 + number), larger(40 + number)]

    author = Author(script)
    asked = recipe(tmp_path, 8, 2, pipeline=pipeline)
    run(tmp_path, asked, author, lambda idea, outcome: ended.append(idea.id))
    assert len(author.requests) == 4
    assert (ended[-1] == "000-000") is slow_is_last


def test_a_continuous_search_keeps_no_more_ideas_on_their_way_than_it_must(tmp_path: Path) -> None:
    executed: set[str] = set()
    most: list[int] = []

    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        most.append(len(request.seen) - len(executed))
        yield [larger(20 + len(request.seen))]

    def on_outcome(idea: Idea, outcome: Outcome) -> None:
        if idea.id != "baseline":
            executed.add(idea.id)

    asked = recipe(tmp_path, 12, 1, pipeline="continuous", ahead=3)
    run(tmp_path, asked, Author(script), on_outcome)
    assert len(most) == 12 and max(most) == 2


@pytest.mark.slow
def test_a_resumed_epoch_is_shown_what_it_was_shown_before(tmp_path: Path) -> None:
    """Though by then more has ended."""
    asked = recipe(tmp_path, 6, 2, method="evolution", pipeline="continuous", ahead=2)

    def told(requests: Sequence[IdeaRequest]) -> list[object]:
        return [(r.mode, [e.idea.id for e in r.history], r.seen) for r in requests]

    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        number = len(request.seen)
        if number == 3 and broken:
            raise LLMError("the key is wrong")
        if number == 0:
            # The second ends after the baseline, so that the next epoch exploits and explores.
            yield [slower(6), larger(40) + slower(1.5).partition("[Code Changes]\n")[2]]
            return
        yield [larger(20 + number), larger(40 + number)][: request.count]

    broken = True
    first, second = Author(script), Author(script)
    with pytest.raises(LLMError):
        run(tmp_path, asked, first)
    broken = False
    run(tmp_path, asked, second)
    # The epoch that broke is asked for again, though 000-000 has ended meanwhile.
    (_, *cut_off) = told(first.requests)
    assert cut_off and told(second.requests)[: len(cut_off)] == cut_off
    assert all("000-000" not in shown for _, shown, _ in cut_off)


@pytest.mark.slow
@pytest.mark.parametrize("error", [BudgetSpent("all is spent"), GaveUp("nothing new")])
def test_without_money_or_ideas_a_search_ends_with_what_it_has(
    tmp_path: Path, error: UserError
) -> None:
    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        yield [larger(20), SLOW]
        raise error

    result = run(tmp_path, recipe(tmp_path, 8, 4), Author(script))
    assert result.ended == str(error)
    assert [entry.outcome.status for entry in result.executed] == ["completed"] * 2


def test_what_nothing_mends_ends_a_search_at_once(tmp_path: Path) -> None:
    ended: list[str] = []

    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        yield [slower(30)]
        await asyncio.sleep(0.5)
        raise LLMError("the key is wrong")

    with pytest.raises(LLMError, match="the key is wrong"):
        run(
            tmp_path,
            recipe(tmp_path, 2, 2),
            Author(script),
            lambda idea, outcome: ended.append(idea.id),
        )
    assert "000-000" not in ended


def test_an_ideator_that_has_no_more_ends_the_search(tmp_path: Path) -> None:
    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        yield [larger(20)] if not request.seen else []

    result = run(tmp_path, recipe(tmp_path, 8, 4), Author(script))
    assert len(result.executed) == 1 and not result.ended


def test_more_ideas_than_were_asked_for_are_left_out(tmp_path: Path) -> None:
    async def script(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
        for start in (0, 5):
            yield [larger(20 + start + n + len(request.seen) * 10) for n in range(5)]

    result = run(tmp_path, recipe(tmp_path, 6, 3), Author(script))
    assert len(result.executed) == 6
