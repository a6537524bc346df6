"""A chart's axis: what it holds, where values lie on it, and its ticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.report.axis import Axis, axis_of, round_values


def test_round_values_are_round_and_signed() -> None:
    assert round_values(-0.05, 0.11, 4) == [
        (-0.05, "−0.05"), (0.0, "0"), (0.05, "+0.05"), (0.1, "+0.10"),
    ]  # fmt: skip
    assert [label for _, label in round_values(-1, 1, 2, sign="-")] == ["−1", "0", "1"]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9), st.floats(0.01, 0.2))
def test_an_axis_holds_its_values_with_room(values: list[float], room: float) -> None:
    axis = axis_of(values, room)
    assert all(0 < axis.at(value) < 100 for value in values)
    assert (axis.at(axis.low), axis.at(axis.high)) == (0, 100)
    assert all(0 <= place <= 100 for place, _ in axis.ticks(5))


def test_a_vertical_axis_rises_from_its_foot() -> None:
    axis = Axis(0.0, 2.0, begin=300, end=0)
    assert [axis.at(value) for value in (0, 0.5, 2)] == [300, 225, 0]
    assert axis.ticks(2) == ((300, "0"), (150, "+1"), (0, "+2"))
