"""What changes rewards before an objective sees them."""

from __future__ import annotations

import numpy as np
import pytest

from ideator_rl.rl.objectives.signal import SignalSettings, shape
from tests.ideator_rl.rl.objectives.test_objectives import group

VALUES = [0.8, 0.0, 0.9, 0.6]
IDEAS = ["one idea", "another one", "a third", "the last of them"]


def shaped(settings: SignalSettings, ideas: list[str] = IDEAS, **more: object) -> list[float]:
    return shape(group(VALUES, noise=0.01, **more), settings, ideas, 100).rewards_N.tolist()


def test_by_default_the_measured_reward_is_learnt_from() -> None:
    assert shaped(SignalSettings()) == VALUES


def test_failures_lie_below_the_worst_that_completed_and_the_baseline() -> None:
    floor = SignalSettings(failures="floor")
    assert shaped(floor, baseline=0.7) == pytest.approx([0.8, 0.59, 0.9, 0.6])
    assert shaped(floor, baseline=0.5) == pytest.approx([0.8, 0.49, 0.9, 0.6])


def test_what_ran_before_earns_the_lowest_of_its_group() -> None:
    ran_before = np.array([True, False, False, False])
    found = shaped(SignalSettings(duplicates="fail"), ran_before_N=ran_before)
    assert found == [0.0, 0.0, 0.9, 0.6]


def test_copies_share_what_they_earn_above_the_lowest() -> None:
    found = shaped(SignalSettings(duplicates="split"), hashes=["a", "", "a", "b"])
    assert found == pytest.approx([0.4, 0.0, 0.45, 0.6])


def test_length_and_similarity_are_those_of_the_paper() -> None:
    tokens = np.array([100.0, 50.0, 0.0, 0.0])
    found = shaped(SignalSettings(length=0.2), thinking_tokens_N=tokens)
    assert found == pytest.approx([1.0, 0.1, 0.9, 0.6])
    same = ["one and the same idea"] * 3 + ["something else entirely here"]
    found = shaped(SignalSettings(similarity=0.3), same)
    assert found == pytest.approx([0.6, -0.2, 0.7, 0.6])


def test_the_measured_rewards_of_the_group_stay() -> None:
    before = group(VALUES)
    shape(before, SignalSettings(failures="floor", length=1.0), IDEAS, 100)
    assert before.rewards_N.tolist() == VALUES
