"""The axes of the plot of ideas: what they hold, and where ticks are."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.analysis.metrics import Spread
from ideator_rl.report.idea_plot import plot_axes

BASE = Spread(0.90, 0.001, 3)


def test_a_few_hopeless_ideas_do_not_squash_the_rest() -> None:
    reward = plot_axes([0.1, 0.89, 0.91, 0.92, 0.93, 0.94], [0.92], BASE, [1.0])["reward"]
    assert reward["fitted"]["low"] > 0.88 and 0.94 < reward["fitted"]["high"] < 0.95
    assert reward["whole"]["low"] < 0.1
    even = plot_axes([0.88, 0.89, 0.90, 0.92, 0.94], [], BASE, [1.0])["reward"]
    assert even["whole"] is None
    # No quarter of them lies below the best.
    assert plot_axes([0.0, 1.0, 1.0, 1.0], [], None, [])["reward"]["whole"] is None


def test_without_a_reward_there_is_an_axis_all_the_same() -> None:
    axes = plot_axes([], [], None, [])
    assert axes["reward"]["fitted"]["low"] < 0 < 1 < axes["reward"]["fitted"]["high"]
    assert axes["count"]["last"] == axes["time"]["last"] == 1


def test_time_is_told_in_its_unit_and_ideas_in_whole_numbers() -> None:
    axes = plot_axes([], [], None, [10.0, 7200.0, 1800.0])
    assert axes["time"]["name"] == "wall time, minutes" and axes["time"]["last"] == 7200
    assert axes["time"]["narrow"] == [(0, "0"), (3000, "50"), (6000, "100")]
    assert [value for value, _ in axes["count"]["wide"]] == [0, 1, 2, 3]
    assert plot_axes([], [], None, [179.0])["time"]["name"].endswith("seconds")
    assert plot_axes([], [], None, [10_800.0])["time"]["name"].endswith("hours")


numbers = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9)


@given(numbers, st.none() | st.floats(-1e300, 1e300))
def test_whatever_was_measured_has_axes(rewards: list[float], mean: float | None) -> None:
    baseline = None if mean is None else Spread(mean, None, 1)
    reward = plot_axes(rewards, [], baseline, [])["reward"]
    for axis in filter(None, reward.values()):
        assert axis["low"] < axis["high"]
    json.dumps(reward, allow_nan=False)
