"""Small charts as SVG."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.report.chart import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Chart,
    Level,
    Series,
    draw,
    step_positions,
    value_range,
)


def elements(chart: Chart, kind: str) -> list[ElementTree.Element]:
    tree = ElementTree.fromstring(f"<svg>{draw(chart)}</svg>")
    return [node for node in tree if kind in node.get("class", "").split()]


def numbers(path: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?[\d.]+", path)]


def test_a_line_goes_through_its_values():
    chart = Chart("a", (1, 2, 3), (Series("x", (0.0, 5.0, 10.0)),), top=10.0)
    (line,) = elements(chart, "line")
    assert numbers(line.get("d"))[1::2] == [BOTTOM, (BOTTOM + TOP) / 2, TOP]
    assert numbers(line.get("d"))[::2] == step_positions((1, 2, 3))


def test_what_is_not_known_is_a_gap_and_a_lone_value_a_dash():
    values = (0.1, 0.2, None, 0.3, None)
    (line,) = elements(Chart("a", (1, 2, 3, 4, 5), (Series("x", values),)), "line")
    first, second = line.get("d").split("M")[1:]
    assert "L" in first and "L" not in second and second.endswith("h5")


def test_bars_stand_on_those_before_them():
    both = (Series("low", (1.0, 2.0)), Series("high", (3.0, None)))
    chart = Chart("a", (1, 2), both, stacked=True, top=4.0)
    low, high = (
        re.findall(r"M\S+ (\S+)V(\S+)H", bars.get("d")) for bars in elements(chart, "bars")
    )
    assert [tuple(map(float, bar)) for bar in high] == [(float(low[0][1]), TOP)]
    assert [float(foot) for foot, _ in low] == [BOTTOM, BOTTOM]


def test_bars_share_the_width_and_their_steps_lie_in_the_middle():
    chart = Chart("a", (1, 2, 3, 4), (Series("x", (1.0,) * 4),), stacked=True)
    (bars,) = elements(chart, "bars")
    spans = [tuple(map(float, m)) for m in re.findall(r"M(\S+) \S+?V\S+?H([\d.]+)V", bars.get("d"))]
    assert spans[0][0] == pytest.approx(LEFT, abs=1) and spans[-1][1] == pytest.approx(RIGHT, abs=1)
    middles = [(begin + end) / 2 for begin, end in spans]
    assert middles == pytest.approx(step_positions((1, 2, 3, 4)), abs=0.02)


def test_the_baseline_and_its_noise_are_on_the_axis():
    level = Level("baseline", 0.9, 0.05)
    chart = Chart("a", (1, 2), (Series("x", (0.5, 0.6)),), level=level, fitted=True)
    low, high = value_range(chart)
    assert low < 0.5 and high > 0.95
    (noise,), (line,) = elements(chart, "noise"), elements(chart, "baseline")
    middle = float(noise.get("y")) + float(noise.get("height")) / 2
    assert middle == pytest.approx(float(line.get("y1")), abs=0.02)


@pytest.mark.parametrize("steps", [(1,), (7,), (1, 2), (3, 4, 9), tuple(range(1, 3000))])
def test_steps_keep_their_order_within_the_box(steps):
    places = step_positions(steps)
    assert places == sorted(places)
    assert LEFT < places[0] <= places[-1] < RIGHT


@pytest.mark.parametrize("steps", [1, 2, 3, 40, 3000])
def test_the_axis_names_whole_steps(steps):
    chart = Chart("a", range(1, steps + 1), (Series("x", (1.0,) * steps),))
    told = [n.text for n in ElementTree.fromstring(f"<svg>{draw(chart)}</svg>").iter("text")]
    assert all(n.isdigit() for n in told[told.index("step") + 1 :])
    assert len(told) > told.index("step") + 1


drawable = st.floats(-1e100, 1e100).filter(lambda x: not 0 < abs(x) < 1e-100)


@given(
    st.lists(st.none() | drawable, min_size=1, max_size=5),
    st.none() | st.floats(-10, 10),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1.0, 100.0]),
)
def test_any_values_can_be_drawn(values, baseline, stacked, fitted, top):
    level = None if baseline is None else Level("baseline", baseline, 0.1)
    steps = range(3, 3 + len(values))
    both = (Series("x", values), Series("y", values[::-1]))
    chart = Chart("a", steps, both, level=level, stacked=stacked, fitted=fitted, top=top)
    low, high = value_range(chart)
    assert low < high
    paths = elements(chart, "bars" if stacked else "line")
    assert len(paths) == 2
    places = [y for path in paths for y in numbers(path.get("d"))]
    assert all(math.isfinite(y) for y in places)
