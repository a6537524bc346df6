"""Whoever knows the tables of one installation of grpo-tiny shows its model perfect thinking, and
gains nothing with them on another; nor does the model itself give them away."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from executor import Executor, Idea, Outcome
from executor.data.prepared import data_root
from executor.data.script import load_script
from executor.data.secret import secret_of
from executor.problem.problem import load_problem
from gym_envs.cheats import recall, thinking
from gym_envs.cheats.cheat import POLICY

# A neighbour on the machine changes how many steps a CPU second holds. The budget is the problem's
# own, in which the baseline takes all of its steps on a slow machine, too.
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]
FOLDER = Path(__file__).parents[2] / "gym_envs" / "grpo"


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    problem = load_problem(FOLDER / "problem-tiny.toml")
    with Executor(problem, store=tmp_path_factory.mktemp("store"), slots=1) as executor:
        yield executor


@pytest.fixture(scope="module")
def honest(executor: Executor) -> Outcome:
    return executor.submit_baseline().result()


def outcome_of(executor: Executor, name: str, secret: str) -> Outcome:
    """A cheat's, with the tables of a secret where it carries some."""
    tables = load_script(FOLDER / "prepare_tiny.py").module.secret_tables(secret)
    facts = {"ANSWERS": recall.packed(recall.tables_in_order(tables))}
    cheat = next(cheat for cheat in thinking.CHEATS if cheat.name == name)
    idea_id = f"{name}-{sha256(secret.encode()).hexdigest()[:8]}"
    return executor.execute([Idea(idea_id, cheat.idea(POLICY, facts).text)])[0]


def test_tables_by_heart_are_worth_much_at_home_and_nothing_elsewhere(
    executor: Executor, honest: Outcome
) -> None:
    assert honest.completed, honest.detail
    own = secret_of("grpo-tiny", data_root())
    at_home = outcome_of(executor, "tables-of-another-installation", own)
    assert at_home.metrics["accuracy"] > honest.reward + 0.2
    elsewhere = outcome_of(executor, "tables-of-another-installation", recall.ANOTHER_SECRET)
    assert elsewhere.completed, elsewhere.detail
    assert elsewhere.reward < honest.reward


@pytest.mark.parametrize("name", ["reads-operations", "reads-every-step"])
def test_a_model_that_is_read_gives_no_more_than_practice(
    executor: Executor, honest: Outcome, name: str
) -> None:
    outcome = outcome_of(executor, name, recall.ANOTHER_SECRET)
    assert outcome.completed, outcome.detail
    assert outcome.reward < honest.reward + 0.03
