from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random

import pytest

from executor import Idea, Outcome
from executor.errors import UserError
from gym_envs import find_problem, problem_paths
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Mode, Proposal, propose_all
from ideator_rl.ideators.library import LibraryIdeator, load_library
from tests.tiny_problem import make_problem


@pytest.fixture
def ideator(tmp_path: Path) -> LibraryIdeator:
    return LibraryIdeator(load_library(make_problem(tmp_path) / "ideas.yaml"))


def ask(
    ideator: LibraryIdeator,
    mode: Mode,
    count: int,
    history: list[Executed] | None = None,
    seen: list[Idea] | None = None,
    seed: int = 0,
) -> list[Proposal]:
    request = IdeaRequest(mode, count, history or [], seen or [], 10.0, Random(seed))
    return asyncio.run(propose_all(ideator, request))


def executed(proposal: Proposal, reward: float, name: str) -> Executed:
    # Through JSON, as an idea comes back from the store.
    idea = Idea.from_json(Idea(name, proposal.text, meta=proposal.meta).to_json())
    return Executed(idea, Outcome(name, "completed", reward))


def test_a_request_is_always_filled_without_repetition(ideator: LibraryIdeator) -> None:
    proposals = ask(ideator, "sample", 25)
    assert len({proposal.text for proposal in proposals}) == 25


def test_what_was_seen_is_not_proposed_again(ideator: LibraryIdeator) -> None:
    first = ask(ideator, "sample", 8)
    seen = [executed(p, 10.0, f"{i}").idea for i, p in enumerate(first)]
    again = ask(ideator, "sample", 8, seen=seen)
    assert not {p.text for p in first} & {p.text for p in again}


def test_the_same_request_gets_the_same_proposals(ideator: LibraryIdeator) -> None:
    assert ask(ideator, "explore", 6, seed=4) == ask(ideator, "explore", 6, seed=4)
    assert ask(ideator, "explore", 6, seed=4) != ask(ideator, "explore", 6, seed=5)


def test_exploiting_builds_on_the_history(ideator: LibraryIdeator) -> None:
    sampled = ask(ideator, "sample", 4)
    history = [executed(p, 11.0 + i, f"id{i}") for i, p in enumerate(sampled)]
    proposals = ask(ideator, "exploit", 6, history, [entry.idea for entry in history])
    with_parents = [p for p in proposals if p.parents]
    assert len(with_parents) >= 3
    assert {name for p in with_parents for name in p.parents} <= {e.idea.id for e in history}


def test_texts_have_the_papers_form(ideator: LibraryIdeator) -> None:
    for proposal in ask(ideator, "sample", 12):
        assert proposal.text.startswith("[Experiment] ") and "\n[Code Changes]\n" in proposal.text
        json.dumps(dict(proposal.meta))


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        ("- id: a\n  experiment: x\n", "changes: required"),
        ("- {id: A B, experiment: x, changes: y}", "id: expected `str` matching"),
        ("- {id: a, experiment: x, changes: y, expects: z}", "unknown key"),
        ("- {id: a, experiment: x, changes: y}\n" * 2, "no id twice"),
        ("[]", "at least one idea"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_broken_library_is_one_line(tmp_path: Path, yaml: str, complaint: str) -> None:
    path = tmp_path / "ideas.yaml"
    path.write_text(yaml)
    with pytest.raises(UserError, match=complaint) as error:
        load_library(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "least"), [("digits", 15), ("nanogpt-tiny", 25), ("grpo-tiny", 25)]
)
def test_the_built_in_libraries_are_large_and_mixed(name: str, least: int) -> None:
    atoms = load_library(find_problem(problem_paths()[name]).library)
    assert len(atoms) >= least
    assert {"completed", "crashed", "timeout", "rejected"} <= {atom.expect for atom in atoms}
