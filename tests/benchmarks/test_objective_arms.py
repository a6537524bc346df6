"""The study of objectives: its arms can start, and its statistics are right."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from objectives.arms import ARMS, CHOSEN, RATES, TUNED, arms_named, seeds_of
from objectives.figures import first_executions
from objectives.paired import compare, holm
from objectives.runs import Study, search_keys
from scipy import stats

from executor import Executor, Idea, Store
from executor.errors import UserError
from gym_envs import find_problem
from ideator_rl.analysis import load_run
from ideator_rl.recipe.read import read_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.rl.train_recipe import read_train_recipe

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("env", ["demand", "digits"])
def test_every_arm_is_a_recipe(env: str, name: str) -> None:
    arm = ARMS[name].at(RATES[0] if ARMS[name].kind == "train" else None)
    assert arm.like in TUNED
    if arm.kind == "train":
        recipe = read_train_recipe(f"recipes/{env}/grpo/config_long.yaml", arm.keys)
        assert recipe.grpo.learning_rate == RATES[0]
    else:
        keys = search_keys(arm, "a/model" if arm.kind == "sample" else None)
        path = f"recipes/{env}/search/config_evolution.yaml"
        search = read_recipe(path, SearchRecipe, keys).search
        method = "evolution" if name.startswith("evolution") else name
        assert (search.method, search.base == "parent") == (method, "model writes" in name)


def test_arms_and_seeds_are_named_on_the_command_line() -> None:
    assert list(arms_named(f"grpo, {CHOSEN}")) == ["grpo", CHOSEN]
    assert seeds_of("2-4") == [2, 3, 4] and seeds_of("1,7") == [1, 7]
    for wrong in (lambda: arms_named("grpo,ppo"), lambda: seeds_of("a-b")):
        with pytest.raises(UserError):
            wrong()


def test_all_problems_take_the_learning_rates_that_were_chosen_on_one(tmp_path: Path) -> None:
    study, arm = Study("digits", str(tmp_path), None), ARMS["grpo"]
    docs = Path(__file__).parents[2] / "docs/objectives"
    assert study.rate(docs, arm) == Study("demand", str(tmp_path), None).rate(docs, arm)
    with pytest.raises(
        UserError, match=r"^the learning rates come first: run --env demand --tune$"
    ):
        study.rate(tmp_path, arm)


@given(SHARES)
def test_holm_rejects_in_steps_and_in_any_order(ps: list[float]) -> None:
    corrected = holm(ps)
    for level in (0.01, 0.05, 0.3):
        # Holm 1979: the k smallest are rejected as long as each is below level / (n - k + 1).
        rejected = set()
        for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
            if (len(ps) - rank) * ps[i] > level:
                break
            rejected.add(i)
        assert {i for i, p in enumerate(corrected) if p <= level} == rejected
    for order in list(permutations(range(len(ps))))[:24]:
        assert holm([ps[i] for i in order]) == [corrected[i] for i in order]


def test_arms_are_compared_seed_by_seed() -> None:
    one, other = {0: 0.9, 1: 0.8, 2: 0.7, 9: 5.0}, {0: 0.85, 1: 0.78, 2: 0.61, 4: 0.1}
    gap = compare(one, other)
    assert gap is not None and gap.n == 3
    assert gap.mean == pytest.approx(0.16 / 3) and gap.low < gap.mean < gap.high
    assert gap.p == pytest.approx(stats.ttest_rel([0.9, 0.8, 0.7], [0.85, 0.78, 0.61]).pvalue)
    assert compare({0: 1.0, 1: 1.0}, other) is None


def test_a_codebase_counts_once_by_its_first_execution(tmp_path: Path) -> None:
    problem = find_problem("digits")
    texts = [f"[Experiment] A.\n[Code Changes]\nhidden_size: 32 -> {n}" for n in (16, 8, 16, 24)]
    with Executor(problem, store=tmp_path, run="a", slots=1, sandbox="best-effort") as executor:
        ideas = [Idea(f"00-{i}", text, epoch=i) for i, text in enumerate(texts)]
        ideas.append(Idea("00-9", "[Experiment] B.\n[Code Changes]\nno_such_name: 1 -> 2"))
        for idea in ideas:
            executor.submit(idea).result()
    executed = first_executions(load_run(Store(tmp_path).run("a")))
    assert [trial.idea_id for trial in executed] == ["00-0", "00-1", "00-3"]
