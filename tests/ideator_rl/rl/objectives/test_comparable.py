"""Rewards of several problems on one scale, whatever each pays."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Outcome
from executor.errors import UserError
from ideator_rl.rl.objectives.comparable import LOWEST, comparable, gains, unit_of
from ideator_rl.rl.objectives.settings import GrpoObjective
from ideator_rl.rl.objectives.signal import SignalSettings, shape
from ideator_rl.rl.objectives.step import Learning, StepAdvantages
from ideator_rl.rl.step_prompts import StepPromptsSettings
from tests.ideator_rl.rl.objectives.test_objectives import group
from tests.ideator_rl.rl.objectives.test_step import info

REWARDS = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=8)


@given(rewards=REWARDS, failed=st.sets(st.integers(0, 7)), scale=st.floats(0.01, 100))
def test_a_problem_that_pays_on_another_scale_teaches_the_same(
    rewards: list[float], failed: set[int], scale: float
) -> None:
    rewards_N = np.array(rewards)
    completed_N = np.array([number not in failed for number in range(len(rewards))])
    here = gains(rewards_N, completed_N, 0.5, 0.02)
    there = gains(scale * rewards_N + 3, completed_N, scale * 0.5 + 3, scale * 0.02)
    assert there == pytest.approx(here, abs=1e-6)


@given(rewards=REWARDS, unit=st.floats(0.001, 1))
def test_a_better_idea_never_gains_less_and_a_failure_never_more(
    rewards: list[float], unit: float
) -> None:
    found = gains(np.array(sorted(rewards)), np.ones(len(rewards), bool), 0.5, unit)
    assert (np.diff(found) >= 0).all() and found.min() >= LOWEST
    assert set(gains(np.array(rewards), np.zeros(len(rewards), bool), 0.5, unit)) == {LOWEST}


def test_what_earns_as_much_as_the_baseline_gains_nothing() -> None:
    assert gains(np.array([0.5, 0.52]), np.ones(2, bool), 0.5, 0.02) == pytest.approx([0, 1])


def test_what_changes_the_signal_counts_in_units_too() -> None:
    found = comparable(group([0.0, 0.9, 0.5], noise=0.1, baseline=0.5), unit=0.1)
    assert (found.noise, found.baseline) == (1.0, 0.0)
    assert found.rewards_N == pytest.approx([LOWEST, 4.0, 0.0])
    floored = shape(found, SignalSettings(failures="floor"), ["a", "b", "c"], longest=10)
    assert floored.rewards_N == pytest.approx([-1.0, 4.0, 0.0])


def test_the_unit_is_the_noise_of_the_baseline_unless_the_recipe_says_another() -> None:
    assert unit_of("digits", [0.4, 0.6], None) == pytest.approx(0.02**0.5)
    assert unit_of("digits", [0.4, 0.6], 0.5) == unit_of("digits", [], 0.5) == 0.5


@pytest.mark.parametrize("baselines", [[0.4, 0.4, 0.4], [0.4], []])
def test_a_baseline_without_noise_is_no_unit(baselines: list[float]) -> None:
    with pytest.raises(UserError, match=r"the baseline of digits earns the same .* unit: 0\.01}"):
        unit_of("digits", baselines, None)


class Baselines:
    def __init__(self, rewards: Sequence[float]) -> None:
        self._rewards = rewards

    def submit_baseline(self, seed: int) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        future.set_result(Outcome("baseline", "completed", self._rewards[seed]))
        return future


def test_groups_of_two_problems_push_alike_though_one_pays_a_hundred_times_more(
    tmp_path: Path,
) -> None:
    found = []
    for scale in (1.0, 100.0):
        learning = Learning(
            GrpoObjective(normalize=False),
            SignalSettings(),
            100,
            str(tmp_path),
            "first",
            (0, 1),
            StepPromptsSettings(),
            problem="digits",
            comparable=True,
        )
        step = StepAdvantages(learning, Baselines([0.4 * scale, 0.6 * scale]))
        rewards = [0.7 * scale, 0.5 * scale, 0.0]
        infos = [info(code, reward) for code, reward in zip("abc", rewards, strict=True)]
        found.append(step.advantages(["x"] * 3, infos, np.array(rewards)))
    assert found[0] == pytest.approx(found[1])
    assert found[0][2] < found[0][1] < found[0][0]
