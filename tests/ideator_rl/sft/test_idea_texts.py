from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from executor import Idea, Outcome, Store, load_problem
from executor.errors import UserError
from executor.implementer.implementer import apply_idea
from executor.run_records import START, new_start
from gym_envs import find_problem
from ideator_rl.ideators.language_model.chat import read_answer
from ideator_rl.ideators.library import load_library
from ideator_rl.sft.earlier_ideas import earlier_ideas
from ideator_rl.sft.idea_texts import DataSettings, Sources, make_answer, teachable
from ideator_rl.sft.recipe import read_warm_start_recipe
from tests.ideator_rl.command_line import ideator_rl, make_workplace

ATOMS = load_library(find_problem("digits").library)
LIBRARY = Sources(ATOMS, (), DataSettings())


def test_every_answer_thinks_and_then_has_an_idea_in_the_right_form() -> None:
    lengths = set()
    for index in range(300):
        thinking, idea = read_answer(make_answer(LIBRARY, 0, index))
        assert re.fullmatch(r"(Considered [^.]+\. )?Chosen: .+\.", thinking), thinking
        assert re.match(r"\[Experiment\] [^\n]+\n\[Code Changes\]\n.", idea), idea
        lengths.add(thinking.count(","))
    assert lengths == {0, 1, 2}


def test_an_answer_is_determined_by_seed_and_index_alone() -> None:
    first = [make_answer(LIBRARY, 0, index) for index in range(50)]
    assert [make_answer(LIBRARY, 0, index) for index in reversed(range(50))] == first[::-1]
    assert len(set(first)) == 50
    assert make_answer(LIBRARY, 1, 0) != first[0] != make_answer(LIBRARY, 0, 0, attempt=1)


def test_most_answers_apply_and_every_atom_is_taught() -> None:
    problem = find_problem("digits")
    answers = [read_answer(make_answer(LIBRARY, 0, index)) for index in range(300)]
    applied = [apply_idea(problem, idea).status == "completed" for _, idea in answers]
    assert sum(applied) / len(applied) > 0.8
    for atom in ATOMS:
        assert any(atom.id in thinking.partition("Chosen:")[2] for thinking, _ in answers)


@pytest.mark.parametrize(
    "lengths", [(1.0,), (0.5, 0.5), (0.0, 1.0), (0.25, 0.3, 0.2, 0.15, 0.1), (0.0, 0.0, 0.0, 1.0)]
)
def test_ideas_join_as_many_atoms_as_asked(lengths: tuple[float, ...]) -> None:
    sources = Sources(ATOMS, (), DataSettings(lengths=lengths))
    answers = [read_answer(make_answer(sources, 0, index)) for index in range(400)]
    counts = Counter(1 + answer.thinking.count(" + ") for answer in answers)
    for count, share in enumerate(lengths, start=1):
        # Five standard errors of a share of 400.
        assert abs(counts[count] / 400 - share) <= 5 * (share * (1 - share) / 400) ** 0.5
    assert sum(counts.values()) == 400 and max(counts) <= len(lengths)


@pytest.mark.parametrize("lengths", ["[0.5, 0.6]", "[]", "[0.5]"])
def test_shares_of_lengths_sum_to_one(lengths: str) -> None:
    recipe = "recipes/digits/sft/config_qwen3_tiny.yaml"
    with pytest.raises(UserError, match=r"lengths: the shares sum to .* and not to 1"):
        read_warm_start_recipe(recipe, {"data.lengths": lengths})


def test_failing_ideas_are_taught_unless_the_recipe_says_otherwise() -> None:
    assert teachable(ATOMS, DataSettings()) == ATOMS
    completing = teachable(ATOMS, DataSettings(library="completed"))
    assert {atom.id for atom in ATOMS} - {atom.id for atom in completing} >= {"divergence"}


def test_earlier_ideas_come_with_their_thinking_or_a_new_trace() -> None:
    kept = Idea("a", "[Experiment] A.", meta={"thinking": "Why not."})
    plain = Idea("b", "[Experiment] B.", meta={"title": "b 1"})
    sources = Sources(ATOMS, [kept, plain], DataSettings(earlier=1.0))
    answers = {make_answer(sources, 0, index) for index in range(60)}
    assert "<think>Why not.</think>[Experiment] A." in answers
    others = [answer for answer in answers if answer.endswith("B.")]
    assert len(others) > 5 and all("Chosen: b 1.</think>" in answer for answer in others)
    half = Sources(ATOMS, [kept], DataSettings(earlier=0.5))
    count = sum(make_answer(half, 0, index).endswith(" A.") for index in range(200))
    assert 70 <= count <= 130


def test_the_best_ideas_of_earlier_searches_are_found(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    done = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--confirm.top", "0")
    assert done.code == 0, done.err
    problem, store = load_problem(tmp_path / "tiny"), Store(tmp_path / "store")
    run = store.run("first")
    rewards = {}
    for key in run.trials():
        idea, outcome = run.idea(key), run.outcome(key)
        assert outcome is not None
        if idea is not None and idea.text and outcome.completed:
            rewards[idea.text] = outcome.reward
    best = sorted(rewards.values(), reverse=True)
    everything = earlier_ideas(store, problem, "*", 1.0)
    assert [rewards[idea.text] for idea in everything] == best and len(best) > 3
    half = earlier_ideas(store, problem, "fir*", 0.5)
    assert half == everything[: -(-len(best) // 2)]

    assert earlier_ideas(store, problem, "other-*", 1.0) == []
    # What edits its code is no answer to a prompt that shows the baseline's.
    run.write_idea("child", Idea("child", "[Experiment] On.", base=everything[0].id))
    run.write_outcome("child", Outcome("child", "completed", 99.0))
    assert earlier_ideas(store, problem, "*", 1.0) == everything
    changed = load_problem(tmp_path / "tiny", {"budget.seconds": 3})
    assert earlier_ideas(store, changed, "*", 1.0) == []


def test_ideas_of_training_runs_are_left_alone(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    problem, store = load_problem(tmp_path / "tiny"), Store(tmp_path / "store")
    for name, section in (("train", "grpo"), ("search", "search")):
        run = store.run(name)
        run.write_recipe(f"env: tiny\n{section}: {{}}\n")
        start = new_start(run, problem, 0, "strict")
        assert start is not None
        run.keep(START, start)
        run.write_idea("0", Idea("0", f"[Experiment] {name}."))
        run.write_outcome("0", Outcome(idea_id="0", status="completed", stage="done", reward=1.0))
    found = earlier_ideas(store, problem, "*", 1.0)
    assert [idea.text for idea in found] == ["[Experiment] search."]
