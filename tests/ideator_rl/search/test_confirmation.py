"""Confirmation with real trials: who runs again, in which order, and what is kept."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Executor, Idea, Outcome, load_problem
from ideator_rl.analysis import load_run
from ideator_rl.analysis.confirmed import Confirmation, Plan
from ideator_rl.ideators.ideator import Executed
from ideator_rl.recipe.read import parse_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.confirmation import confirm, fresh_seeds, make_plan, winners
from ideator_rl.search.loop import SearchResult
from tests.tiny_problem import larger, make_problem

TEXTS = {
    "good": larger(15),
    "same": larger(15) + "\n",
    "fair": larger(12),
    "poor": larger(9),
    "none": "[Experiment] Think harder.",
}


def make_recipe(**sections: object) -> SearchRecipe:
    return parse_recipe({"env": "tiny", "run": "first", **sections}, "test")


@pytest.fixture
def problem_folder(tmp_path: Path) -> Path:
    """The tiny problem, with noise of 0, 1 or 2 by seed; every trial adds a line to `ran`."""
    folder = make_problem(tmp_path / "tiny")
    run = folder / "codebase/run.sh"
    run.write_text(run.read_text() + 'echo "noise = $((SEED % 3))" >> candidate/settings.py\n')
    return folder


def open_executor(
    folder: Path,
    slots: int = 2,
    max_ideas: int | None = None,
    max_seconds: float | None = None,
) -> Executor:
    return Executor(
        load_problem(folder),
        store=folder.parent / "store",
        run="first",
        slots=slots,
        max_ideas=max_ideas,
        max_seconds=max_seconds,
    )


def searched(executor: Executor) -> SearchResult:
    """What a search that had the ideas of TEXTS would have found."""
    baselines = [executor.submit_baseline(seed) for seed in (0, 1)]
    ideas = [Idea(name, text) for name, text in TEXTS.items()]
    outcomes = executor.execute(ideas)
    return SearchResult([f.result() for f in baselines], list(map(Executed, ideas, outcomes)))


def confirmed(
    executor: Executor, recipe: SearchRecipe, result: SearchResult
) -> tuple[Confirmation, list[tuple[str, int]]]:
    """The confirmation, and its trials in the order in which they ended."""
    ended: list[tuple[str, int]] = []
    plan = make_plan(recipe, result)

    def note(idea: Idea, outcome: Outcome) -> None:
        ended.append((idea.id, outcome.seed))

    return asyncio.run(confirm(executor, plan, result, note)), ended


def files(executor: Executor) -> Mapping[str, str]:
    keys = executor.run.trials()
    return {key: o.to_json() for key in keys if (o := executor.run.outcome(key)) is not None}


def trials(executor: Executor) -> int:
    return sum(event["event"] == "trial" for event in executor.run.events())


def test_winners_run_again_beside_the_baseline_and_no_trial_runs_twice(
    problem_folder: Path,
) -> None:
    recipe = make_recipe(confirm={"top": 3, "seeds": 3})
    with open_executor(problem_folder, max_ideas=len(TEXTS)) as executor:
        result = searched(executor)
        before = trials(executor)
        found, ended = confirmed(executor, recipe, result)
        assert found.plan.ideas == ("good", "fair") and found.plan.executed == len(TEXTS)
        assert sorted(ended) == sorted(found.plan.order())
        assert trials(executor) == before + 9
        kept = files(executor)
        assert {f"{name}.seed{seed}" for name, seed in found.plan.order()} <= kept.keys()
        good = found.ideas[0]
        assert good.rewards == tuple(15 + seed % 3 for seed in found.plan.seeds)
        assert good.gain is not None and good.gain.value == pytest.approx(5) and good.first == 15
        assert found.baseline == tuple(10 + seed % 3 for seed in found.plan.seeds)

    with open_executor(problem_folder, max_ideas=len(TEXTS)) as executor:
        assert confirmed(executor, recipe, searched(executor))[0] == found
        assert trials(executor) == before + 9 and files(executor) == kept
        # More seeds are run besides those that are there.
        more, _ = confirmed(
            executor, make_recipe(confirm={"top": 3, "seeds": 4}), searched(executor)
        )
        assert more.plan.seeds[:3] == found.plan.seeds and trials(executor) == before + 12
        assert kept.items() <= files(executor).items()


def test_the_store_alone_tells_what_was_confirmed(problem_folder: Path) -> None:
    with open_executor(problem_folder) as executor:
        result = searched(executor)
        found, _ = confirmed(executor, make_recipe(), result)
        data = load_run(executor.run)
    assert data.confirmation == found
    assert {trial.idea_id for trial in data.ideas} == TEXTS.keys()
    assert len(data.baseline) == 2 + 3


def test_a_used_up_budget_leaves_it_incomplete(problem_folder: Path) -> None:
    with open_executor(problem_folder) as executor:
        result = searched(executor)
    with open_executor(problem_folder, max_seconds=0.001) as executor:
        found, _ = confirmed(executor, make_recipe(), result)
        assert (found.state, found.missing) == ("incomplete", 9)
        assert "larger budget.seconds" in str(found)
        assert load_run(executor.run).confirmation == found


def test_nothing_above_the_baseline_runs_nothing(problem_folder: Path) -> None:
    with open_executor(problem_folder) as executor:
        result = searched(executor)
        poor = [entry for entry in result.executed if entry.idea.id in ("poor", "none")]
        before = trials(executor)
        found, ended = confirmed(executor, make_recipe(), replace(result, executed=poor))
        assert found.state == "nothing to confirm" and ended == []
        assert trials(executor) == before


def test_a_crash_on_a_fresh_seed_counts(problem_folder: Path) -> None:
    fragile = "[Code Changes]\nvalue: 10 -> 20\nrun.sh\n<<<<<<< SEARCH\nsleep 0\n=======\n"
    fragile += 'test "$SEED" -lt 100\n>>>>>>> REPLACE\n'
    run = problem_folder / "codebase/run.sh"
    run.write_text(run.read_text().replace("sleep 0", "set -e\nsleep 0"))
    with open_executor(problem_folder) as executor:
        result = searched(executor)
        idea = Idea("fragile", fragile)
        entry = Executed(idea, executor.execute([idea])[0])
        assert entry.outcome.reward == 20.0
        found, _ = confirmed(executor, make_recipe(), replace(result, executed=[entry]))
    (one,) = found.ideas
    assert one.survives is False and one.rewards == (0.0,) * 3 and len(one.failures) == 3


def entry(name: str, reward: float, codebase: str, status: str = "completed") -> Executed:
    outcome = Outcome(name, status, reward, content_hash=codebase)  # type: ignore[arg-type]
    return Executed(Idea(name, "text"), outcome)


def test_winners_are_the_first_of_each_codebase_above_the_baseline() -> None:
    result = SearchResult(
        [Outcome("baseline", "completed", 1.0, content_hash="base")],
        [
            entry("a", 1.5, "x"),
            entry("b", 3.0, "y"),
            entry("c", 3.0, "y"),
            entry("d", 1.0, "z"),
            entry("e", 9.0, "w", "crashed"),
            entry("f", 1.2, "base"),
        ],
    )
    assert [found.idea.id for found in winners(result)] == ["b", "a"]
    assert make_plan(make_recipe(confirm={"top": 1}), result).ideas == ("b",)


@given(st.integers(0, 2_000_000), st.integers(1, 50), st.integers(1, 20))
def test_fresh_seeds_are_fresh_and_always_the_same(seed: int, baselines: int, count: int) -> None:
    recipe = make_recipe(
        seed=seed, executor={"baseline_seeds": baselines}, confirm={"seeds": count}
    )
    seeds = fresh_seeds(recipe, ("a",))
    assert len(set(seeds)) == count and fresh_seeds(recipe, ("a",)) == seeds
    assert not set(seeds) & set(range(seed, seed + baselines))


def test_other_runs_and_other_winners_get_other_seeds() -> None:
    recipes = [make_recipe(), make_recipe(run="second"), make_recipe(seed=1)]
    found = [set(fresh_seeds(recipe, ideas)) for recipe in recipes for ideas in (("a",), ("b",))]
    assert not any(one & other for one, other in itertools.combinations(found, 2))


def test_trials_start_in_the_order_of_the_plan(problem_folder: Path) -> None:
    with open_executor(problem_folder, slots=1) as executor:
        result = searched(executor)
        found, ended = confirmed(executor, make_recipe(), result)
    assert ended == list(Plan(found.plan.ideas, found.plan.seeds).order())


def test_only_the_confirmation_examines_the_final_part(problem_folder: Path) -> None:
    (problem_folder / "prepare.py").write_text(
        "def prepare(train, held_out, source=None, *, final):\n"
        "    for folder, less in ((held_out, 0), (final, 1)):\n"
        "        (folder / 'less').write_text(str(less))\n"
    )
    evaluate = problem_folder / "evaluate.py"
    text = evaluate.read_text().replace(
        "float(sum(", "float(-int((held_out / 'less').read_text()) + sum("
    )
    evaluate.write_text(text)
    toml = problem_folder / "problem.toml"
    toml.write_text(toml.read_text() + '[data]\nprepare = "prepare.py"\n')
    with open_executor(problem_folder) as executor:
        found, _ = confirmed(executor, make_recipe(), searched(executor))
        outcomes = {key: executor.run.outcome(key) for key in executor.run.trials()}
    fresh = {key: o for key, o in outcomes.items() if o and o.seed > 1}
    assert len(fresh) == len(list(found.plan.order()))
    assert all(o.final_reward == o.reward - 1 for o in fresh.values())
    assert all(not o.final for key, o in outcomes.items() if o and key not in fresh)
    assert found.ideas[0].overfit and found.ideas[0].overfit.value == 0
