"""Ideas that change their parent's codebase: what they are given, what is kept, and a kill."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import pytest

from executor import Executor, Idea, Outcome, Store, load_problem
from executor.errors import UserError
from executor.llm.records import LLMError
from ideator_rl.analysis import load_run
from ideator_rl.ideators.ideator import Executed, IdeaRequest, propose_all
from ideator_rl.ideators.library import LibraryIdeator, load_library
from ideator_rl.report.report import payload, render_report
from ideator_rl.search.method import Part
from ideator_rl.search.parents import with_parents
from tests.ideator_rl.command_line import in_process, make_workplace
from tests.ideator_rl.search.test_search_pipeline import Author, recipe, run
from tests.tiny_problem import larger, make_problem


def done(name: str, reward: float | None) -> Executed:
    status = "crashed" if reward is None else "completed"
    return Executed(Idea(name, name), Outcome(name, status, reward or 0.0))


def test_what_exploits_draws_a_completed_parent_and_the_rest_has_none() -> None:
    history = [done("a", 1.0), done("b", None), done("c", 9.0)]
    parts = [Part("exploit", 40, history), Part("explore", 3, history)]
    found = with_parents(parts, Random(0))
    assert sum(part.count for part in found) == 43 and found[-1] == parts[1]
    counts = {part.parent.idea.id: part.count for part in found if part.parent}
    # By linear rank, the better of two has two chances of three.
    assert set(counts) == {"a", "c"} and counts["c"] > counts["a"]
    chosen = [Part("exploit", 2, history, history[0])]
    assert with_parents(chosen, Random(0)) == chosen


def bonus(request: IdeaRequest) -> str:
    """An edit that applies to a parent's code only."""
    assert request.base is not None and request.parent is not None
    old = int(request.base["settings.py"].split()[2])
    return f"[Experiment] More.\n[Code Changes]\nvalue: {old} -> {old + 10 + len(request.seen)}\n"


async def grow(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
    if request.mode == "exploit":
        yield [bonus(request)]
    else:
        yield [larger(20 + len(request.seen) + n) for n in range(request.count)]


async def broken(request: IdeaRequest) -> AsyncIterator[Sequence[str]]:
    if len(request.seen) >= 3:
        raise LLMError("the key is wrong")
    async for texts in grow(request):
        yield texts


def test_an_idea_is_an_edit_of_its_parents_codebase_also_after_a_break(tmp_path: Path) -> None:
    asked = recipe(tmp_path, 5, 1, method="sequential", base="parent")
    with pytest.raises(LLMError):
        run(tmp_path, asked, Author(broken))
    result = run(tmp_path, asked, Author(grow))
    ideas = [entry.idea for entry in result.executed]
    assert [idea.base for idea in ideas] == ["", *(idea.id for idea in ideas[:-1])]
    assert [idea.parents[:1] for idea in ideas[1:]] == [(idea.base,) for idea in ideas[1:]]
    assert [entry.outcome.reward for entry in result.executed] == [20, 31, 43, 56, 70]

    kept = Store(tmp_path / "store").run("first")
    last = ideas[-1].id
    assert "-value = 10\n+value = 70\n" in kept.diff(last)
    assert "-value = 56\n+value = 70\n" in kept.base_diff(last)
    assert kept.base_diff(ideas[0].id) == ""

    data = load_run(kept)
    page = render_report(data)
    assert page.index('id="lineage"') > 0
    told = {idea["id"]: idea for idea in payload(data, None)["ideas"]}
    assert "-value = 56" in told[last]["base_diff"] and told[last]["base"] == ideas[-2].id
    again = in_process(
        tmp_path,
        "execute",
        "--again",
        f"store/runs/first/ideas/{last}",
        "--env",
        "tiny",
        "--sandbox",
        "best-effort",
        "--json",
    )
    assert again.code == 0 and json.loads(again.out)["reward"] == 70, again.err


def test_the_same_code_by_two_ways_runs_once(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"))
    with Executor(
        problem, store=tmp_path / "store", run="first", slots=1, sandbox="best-effort"
    ) as executor:
        first = executor.submit(Idea("a", larger(20))).result()
        on_a = "[Code Changes]\nvalue: 20 -> 30\n"
        second = executor.submit(Idea("b", on_a, base="a")).result()
        direct = executor.submit(Idea("c", larger(30))).result()
        assert (first.reward, second.reward, direct.reward) == (20, 30, 30)
        assert direct.cached and direct.content_hash == second.content_hash
        # Another base is another idea, and one that is not there is an error of the caller.
        with pytest.raises(UserError, match="taken in the run first"):
            executor.submit(Idea("b", on_a)).result()
        with pytest.raises(UserError, match="its base 'z' has no codebase in the run first"):
            executor.submit(Idea("d", on_a, base="z")).result()
        with pytest.raises(UserError, match="use up to 128 letters"):
            executor.submit(Idea("e", on_a, base="../../x")).result()
        # What may not be edited may not be edited in a parent's code either.
        frozen = "[Code Changes]\n--- /dev/null\n+++ b/other.py\n@@ -0,0 +1 @@\n+x = 1\n"
        assert executor.submit(Idea("f", frozen, base="a")).result().status == "rejected"


def test_many_ideas_may_not_add_more_than_one_may(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"), {"files.added_kib": 1})
    noise = Random(0)
    with Executor(
        problem, store=tmp_path / "store", run="first", slots=1, sandbox="best-effort"
    ) as executor:
        base, statuses = "", []
        for name in "abc":
            data = "".join(f"+# {noise.getrandbits(120):x}\n" for _ in range(40))
            text = f"--- a/settings.py\n+++ b/settings.py\n@@ -2,1 +2,41 @@\n bonus = 0\n{data}"
            idea = Idea(name, f"[Code Changes]\n```diff\n{text}```\n", base=base)
            statuses.append(executor.submit(idea).result().status)
            base = base if statuses[-1] == "rejected" else name
    assert "rejected" in statuses[1:] and statuses[0] != "rejected"


def test_the_library_adds_what_its_parent_does_not_have(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path))
    atoms = load_library(problem.library)
    first = Idea("a", "…", meta={"atoms": [["larger", [["value", 12]]]]})
    parent = Executed(first, Outcome("a", "completed", 12.0))
    base = {**problem.codebase, "settings.py": "value = 12\nbonus = 0\n"}
    request = IdeaRequest("exploit", 3, [parent], [first], 10.0, Random(0), parent, base)
    proposals = asyncio.run(propose_all(LibraryIdeator(atoms), request))
    assert proposals
    for proposal in proposals:
        assert "value: 10" not in proposal.text
        assert ("larger", (("value", 12),)) in proposal.meta["atoms"]


def test_a_search_with_the_library_grows_codebases(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    words = ("search", "--config", "config.yaml", "--search.base", "parent", "--json")
    done = in_process(tmp_path, *words)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["executed"] == 12 and result["confirmation"]["state"] == "done"
    kept = Store(tmp_path / "store").run("first")
    ideas = [idea for key in kept.trials() if (idea := kept.idea(key))]
    changed = [idea for idea in ideas if idea.base]
    assert changed and {idea.origin for idea in changed} == {"exploit"}
    other = in_process(tmp_path, *words[:-3], "--search.base", "baseline")
    assert other.code == 2 and "started with search.base: parent" in other.err
