from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.analysis.metrics_file import append_step, best_before, parse_steps, read_steps


def test_the_later_line_of_a_step_wins(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for reward in (0.1, 0.2):
        append_step(path, 1, {"reward/max": reward})
    assert read_steps(path)[1]["reward/max"] == 0.2


def test_a_line_that_a_kill_cut_short_is_no_step_and_takes_none_with_it(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_step(path, 1, {"reward/max": 0.1})
    with path.open("a") as file:
        file.write('{"step": 2, "reward/m')
    append_step(path, 2, {"reward/max": 0.3})
    assert {step: line["reward/max"] for step, line in read_steps(path).items()} == {1: 0.1, 2: 0.3}


def test_figures_that_are_no_number_are_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_step(path, 1, {"reward/max": 0.1, "ideas/similarity": math.nan})
    assert "ideas/similarity" not in read_steps(path)[1]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_lines = st.text(max_size=20) | st.builds(
    lambda step, figures: json.dumps({**figures, "step": step}),
    _json,
    st.dictionaries(st.text(max_size=5), _json, max_size=3),
)


@given(st.lists(_lines, max_size=8).map("\n".join))
def test_any_text_holds_steps_of_finite_numbers_in_order(text):
    steps = parse_steps(text)
    assert list(steps) == sorted(steps) and all(step >= 0 for step in steps)
    assert all(figures["step"] == step for step, figures in steps.items())
    assert all(math.isfinite(value) for figures in steps.values() for value in figures.values())


@given(st.dictionaries(st.integers(1, 20), st.floats(0, 1), max_size=10), st.integers(1, 21))
def test_the_best_before_a_step_is_that_of_the_steps_before(tmp_path_factory, rewards, step):
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    for at, reward in rewards.items():
        append_step(path, at, {"reward/max": reward})
    earlier = [reward for at, reward in rewards.items() if at < step]
    assert best_before(path, step) == max(earlier, default=-math.inf)
