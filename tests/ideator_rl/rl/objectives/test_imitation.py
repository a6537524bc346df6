"""Which ideas a step imitates, out of a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Idea, Outcome, Store
from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.ideators.archive import Archive
from ideator_rl.ideators.ideator import Executed
from ideator_rl.rl.objectives.imitated_run import keep_examples
from ideator_rl.rl.objectives.imitation import (
    ImitatedAnswer,
    ImitationSettings,
    StepImitation,
    best_first,
)

LONGEST = 20


def entry(name: str, reward: float, code: str, step: int = 1) -> Executed:
    status = "completed" if reward > 0 else "crashed"
    outcome = Outcome(name, status, reward, content_hash=code)  # type: ignore[arg-type]
    return Executed(Idea(name, f"idea {name}", step), outcome)


def add(run: RunFolder, step: int, name: str, reward: float, code: str = "", text: str = "") -> str:
    key = f"{step:04d}-{name}"
    made = entry(key, reward, code or name, step)
    run.write_idea(key, Idea(key, text or made.idea.text, step))
    run.write_outcome(key, made.outcome)
    return key


def answer(of: Executed) -> ImitatedAnswer | None:
    """Its letters as tokens."""
    text = of.idea.text
    return ImitatedAnswer((1,), tuple(map(ord, text))) if len(text) <= LONGEST else None


def texts(run: RunFolder, step: int, best: int = 2) -> list[str]:
    """What a process that was started just now imitates."""
    imitation = StepImitation(ImitationSettings(best=best), run, Archive(run), answer)
    return ["".join(map(chr, found.answer)) for found in imitation.answers(step)]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return Store(tmp_path).run("first")


rows = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.7]), st.sampled_from("abc")), max_size=8)


@given(rows, rows)
def test_each_codebase_counts_once_by_its_first_idea(
    own: list[tuple[float, str]], examples: list[tuple[float, str]]
) -> None:
    mine = [entry(f"{i}", *row) for i, row in enumerate(own)]
    theirs = [entry(f"other/{i}", *row) for i, row in enumerate(examples)]
    found = best_first(mine[::-1], theirs)
    rewards = [each.outcome.reward for each in found]
    assert rewards == sorted(rewards, reverse=True) and 0 not in rewards
    expected: dict[str, str] = {}
    for each in mine + theirs:
        if each.outcome.reward > 0:
            expected.setdefault(each.outcome.content_hash, each.idea.id)
    assert {e.outcome.content_hash: e.idea.id for e in found} == expected


def test_the_best_of_the_steps_up_to_this_one_without_copies_and_failures(run: RunFolder) -> None:
    assert texts(run, 1) == []
    for name, reward, code in (("a", 0.5, "x"), ("b", 0.9, "y"), ("c", 0.9, "y"), ("d", 0, "z")):
        add(run, 2, name, reward, code)
    add(run, 3, "e", 0.7)
    assert texts(run, 2) == ["idea 0002-b", "idea 0002-a"]
    assert texts(run, 3) == ["idea 0002-b", "idea 0003-e"]


def test_what_is_too_long_is_left_out_and_the_next_takes_its_place(run: RunFolder) -> None:
    add(run, 1, "a", 0.9, text="an idea of too many words")
    for name, reward in (("b", 0.5), ("c", 0.7), ("d", 0.3)):
        add(run, 1, name, reward)
    assert texts(run, 1) == ["idea 0001-c", "idea 0001-b"]


def test_a_step_that_is_done_again_imitates_the_same(run: RunFolder) -> None:
    add(run, 1, "a", 0.5)
    assert texts(run, 1) == ["idea 0001-a"]
    # An outcome that comes late, in a run that generates while it learns.
    add(run, 1, "b", 0.9)
    assert texts(run, 1) == ["idea 0001-a"]
    assert texts(run, 2) == ["idea 0001-b", "idea 0001-a"]


def test_an_idea_that_is_gone_is_one_line(run: RunFolder, tmp_path: Path) -> None:
    key = add(run, 1, "a", 0.5)
    texts(run, 1)
    (tmp_path / f"runs/first/ideas/{key}/outcome.json").unlink()
    with pytest.raises(UserError, match=f"{key} is gone, which step 1 imitated; put it back"):
        texts(run, 1)


def test_ideas_of_another_run_are_imitated_until_better_ones_are_found(run: RunFolder) -> None:
    theirs = [entry("other/00-1", 0.8, "x"), entry("other/00-2", 0.6, "y")]
    keep_examples(run, theirs)
    assert texts(run, 1) == ["idea other/00-1", "idea other/00-2"]
    add(run, 2, "a", 0.9)
    # The same codebase in this run is the one that counts, with its own reward.
    add(run, 2, "b", 0.7, code="x")
    assert texts(run, 2, best=3) == ["idea 0002-a", "idea 0002-b", "idea other/00-2"]
    # Of a run that goes on, what it began with counts.
    keep_examples(run, theirs[:1])
    assert texts(run, 3, best=9) == ["idea 0002-a", "idea 0002-b", "idea other/00-2"]
