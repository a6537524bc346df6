"""What a search knows of other runs: measured ideas count, claimed ones are shown and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from executor import Executor, Idea, Problem, Store, load_problem
from executor.errors import UserError
from ideator_rl.claims.claim import Claim
from ideator_rl.claims.kept_claims import Imported, keep_claims
from ideator_rl.ideators.ideator import IdeaRequest, Proposal, propose_all
from ideator_rl.ideators.library import LibraryIdeator, load_library
from ideator_rl.recipe.read import parse_recipe
from ideator_rl.run_parts import keep_part
from ideator_rl.search.confirmation import make_plan
from ideator_rl.search.history import load_history
from ideator_rl.search.loop import SearchResult, search
from tests.tiny_problem import larger, make_problem

THEIRS = [
    Claim("claim-00000", larger(99), reward=1e9, status="completed", metrics={"value": 1e9}),
    Claim("claim-00001", "[Experiment] End badly.", status="crashed", parents=("claim-00000",)),
]


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return load_problem(make_problem(tmp_path / "tiny"))


@pytest.fixture
def store(tmp_path: Path, problem: Problem) -> Store:
    """A store with the imported run `theirs` and the executed run `ours`."""
    store = Store(tmp_path / "store")
    keep_claims(store.run("theirs"), Imported("set", problem.name, 2), THEIRS)
    with Executor(problem, store=store.url, run="ours", slots=1, sandbox="best-effort") as executor:
        executor.execute([Idea("a", larger(30)), Idea("b", "[Experiment] Words.")])
    return store


class Author:
    """Writes a larger number each time, and remembers what it was shown."""

    def __init__(self) -> None:
        self.requests: list[IdeaRequest] = []

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        self.requests.append(request)
        first = 11 + len(request.seen)
        yield [Proposal(larger(first + place)) for place in range(request.count)]

    async def close(self) -> None:
        pass


def searched(store: Store, problem: Problem, history: str) -> tuple[SearchResult, Author]:
    raw = {
        "env": str(problem.folder),
        "run": "new",
        "budget": {"ideas": 4},
        "search": {"epoch_size": 2, "history": history},
        "executor": {"slots": 2, "baseline_seeds": 1},
    }
    recipe, author = parse_recipe(raw, "test"), Author()
    with Executor(
        problem, store=store.url, run="new", slots=2, sandbox="best-effort", max_ideas=99
    ) as executor:
        result = asyncio.run(search(recipe, executor, author, lambda idea, outcome: None))
    assert [idea for idea in make_plan(recipe, result).ideas if ":" in idea] == []
    return result, author


def test_claimed_ideas_are_shown_and_are_never_the_best_nor_improved_on(
    store: Store, problem: Problem
) -> None:
    result, author = searched(store, problem, "theirs")
    assert result.best is not None and result.best.outcome.reward == 14
    modes = {request.mode: [e.idea.id for e in request.history] for request in author.requests}
    assert "theirs:claim-00000" in modes["explore"] and "theirs:claim-00001" in modes["explore"]
    assert all(name.startswith("000-") for name in modes["exploit"])
    assert [entry.outcome.cached for entry in result.executed] == [False] * 4


def test_ideas_that_were_measured_here_are_improved_on(store: Store, problem: Problem) -> None:
    result, author = searched(store, problem, "ours")
    assert result.best is not None and result.best.outcome.reward == 14
    (exploit,) = (request for request in author.requests if request.mode == "exploit")
    assert "ours:a" in [entry.idea.id for entry in exploit.history]


def test_of_a_training_on_several_problems_the_ideas_on_this_one_are_known(
    store: Store, problem: Problem, tmp_path: Path
) -> None:
    keep_part(store.run("both"), store.run("ours"))
    known = load_history(store.run("new"), store, problem, "both")
    assert [entry.idea.id for entry in known] == ["both:a", "both:b"]
    other = load_problem(make_problem(tmp_path / "other", "other", "Other-v0"))
    with pytest.raises(UserError, match="training on several problems, and none of them is other"):
        load_history(store.run("newer"), store, other, "both")


def test_a_claim_says_what_it_is_and_its_parents_are_found(store: Store, problem: Problem) -> None:
    first, second = load_history(store.run("new"), store, problem, "theirs")
    assert first.outcome.detail.startswith("not executed here; claimed elsewhere: completed")
    assert second.idea.parents == (first.idea.id,) == ("theirs:claim-00000",)


def test_once_executed_here_a_claim_is_none_for_searches_that_begin_then(
    store: Store, problem: Problem
) -> None:
    def rewards(own: str) -> dict[str, float]:
        found = load_history(store.run(own), store, problem, "theirs")
        return {entry.idea.id: entry.outcome.reward for entry in found}

    before = {"theirs:claim-00000": 0.0, "theirs:claim-00001": 0.0}
    assert rewards("earlier") == before
    with Executor(problem, store=store.url, run="theirs", slots=1, sandbox="best-effort") as here:
        here.execute([Idea("claim-00000", larger(99))])
    assert rewards("new") == before | {"theirs:claim-00000": 99.0}
    assert rewards("earlier") == before


def test_the_library_takes_no_others_ideas_for_atoms(store: Store, problem: Problem) -> None:
    from random import Random

    history = load_history(store.run("new"), store, problem, "ours")
    ideator = LibraryIdeator(load_library(problem.library))
    request = IdeaRequest("exploit", 4, history, [], 10.0, Random(0))
    assert len(asyncio.run(propose_all(ideator, request))) == 4


def test_a_history_that_does_not_fit_is_refused(
    store: Store, problem: Problem, tmp_path: Path
) -> None:
    other = load_problem(make_problem(tmp_path / "other", "other", "Other-v0"))
    changed = load_problem(problem.folder, {"budget.seconds": 5})
    for about, name, told in (
        (problem, "none", "holds neither a run nor what was imported"),
        (other, "theirs", "is about tiny, not other"),
        (other, "ours", "is about tiny, not other"),
        (changed, "ours", "another version of tiny"),
        (problem, "new", "is this search's own run"),
    ):
        with pytest.raises(UserError, match=told):
            load_history(store.run("new"), store, about, name)
