"""What changes rewards before an objective sees them."""

from __future__ import annotations

from statistics import stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.rl.objectives.settings import GrpoObjective, advantages
from ideator_rl.rl.objectives.signal import SignalSettings, completed_spread, shape
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


def test_a_new_codebase_that_completed_earns_half_a_spread_more() -> None:
    ran_before = np.array([True, False, False, False])
    spread = stdev([0.8, 0.9, 0.6])
    found = shaped(SignalSettings(duplicates="bonus"), ran_before_N=ran_before)
    assert found == pytest.approx([0.8, 0.0, 0.9 + spread / 2, 0.6 + spread / 2])
    found = shaped(SignalSettings(duplicates="bonus", bonus=2.0), ran_before_N=ran_before)
    assert found == pytest.approx([0.8, 0.0, 0.9 + 2 * spread, 0.6 + 2 * spread])


@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans(), st.booleans()), min_size=2, max_size=8),
    st.floats(0.0, 0.1),
)
def test_a_bonus_changes_completed_new_ideas_alone_and_lifts_no_failure(
    ideas: list[tuple[float, bool, bool]], noise: float
) -> None:
    values, completed, before = (np.array(column) for column in zip(*ideas, strict=True))
    made = group(values, noise, completed_N=completed, ran_before_N=before)
    settings = SignalSettings(duplicates="bonus")
    added = shape(made, settings, [""] * len(ideas), 100).rewards_N - values
    assert (added[before | ~completed] == 0).all()
    done = values[completed]
    spread = max(noise, stdev(done.tolist()) if len(done) > 1 else 0.0)
    np.testing.assert_allclose(added[~before & completed], spread / 2, atol=1e-9)


@pytest.mark.parametrize("values", [[0.8], [0.8, 0.0, 0.0], [0.8, 0.8], [0.8, 0.8001, 0.0]])
def test_the_spread_of_one_of_equals_and_of_noise_is_the_noise(values: list[float]) -> None:
    assert completed_spread(group(values, noise=0.01)) == 0.01


def test_equal_rewards_teach_to_be_new_and_nothing_where_all_are() -> None:
    settings = SignalSettings(duplicates="bonus")

    def learnt(before: list[bool], noise: float) -> list[float]:
        made = group([0.7, 0.7], noise, ran_before_N=np.array(before))
        return advantages(GrpoObjective(), shape(made, settings, ["", ""], 100)).tolist()

    assert learnt([True, False], 0.01)[1] > 0 > learnt([True, False], 0.01)[0]
    assert learnt([False, False], 0.01) == learnt([True, True], 0.01) == [0, 0]
    # Without a known noise there is no scale to reward novelty on.
    assert learnt([True, False], 0.0) == [0, 0]


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
