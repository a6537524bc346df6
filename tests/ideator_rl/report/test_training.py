"""What is shown of a training run's steps, in the report and in a document."""

import json
import math
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import sample_run, training_run

from executor.errors import UserError
from ideator_rl.analysis import load_run
from ideator_rl.analysis.metrics import Spread
from ideator_rl.report.training import MAX_STEPS, ends, script_data, training, trend_span

SCRIPT = Path(__file__).parents[3] / "benchmarks/training_curves.py"
curves = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
SVG = "{http://www.w3.org/2000/svg}"


def lines(key: str, *values: float | None) -> dict[int, dict[str, float]]:
    """Steps 1, 2, … with one figure; None for a step without it."""
    return {n: {} if v is None else {key: v} for n, v in enumerate(values, start=1)}


def test_every_figure_that_training_reports_has_a_curve(tmp_path):
    found = training(load_run(training_run(tmp_path, steps=3, answers=4)).steps, None)
    assert {chart.title: len(chart.series) for chart in found.charts} == {
        "Reward": 3,
        "What became of answers": 4,
        "Distinct in a step": 3,
        "Similarity of ideas": 1,
        "Length": 2,
        "Entropy": 1,
        "KL divergence": 1,
        "Time of a step": 4,
        "Executor busy": 1,
    }
    assert (found.total, found.answers, found.lost, found.stride) == (3, 12, 0, 1)


def test_what_became_of_the_answers_adds_up(tmp_path):
    found = training(load_run(training_run(tmp_path, steps=5, answers=16)).steps, None)
    outcomes = next(chart for chart in found.charts if chart.top == 100.0)
    assert [sum(step) for step in zip(*(s.values for s in outcomes.series), strict=True)] == [
        pytest.approx(100.0)
    ] * 5


def test_the_parts_of_a_step_add_up_to_it():
    parts = {"time/generate": 2.0, "time/execute": 3.0, "time/update": 4.0, "time/step": 10.0}
    (chart,) = training({1: parts, 2: {**parts, "time/step": 8.0}}, None).charts
    assert [list(s.values) for s in chart.series] == [[2, 2], [3, 3], [4, 4], [1, 0]]


def test_what_steers_a_step_beside_its_rewards_has_curves():
    step = {
        "codebases/new": 0.5,
        "entropy/unseen": 0.75,
        "entropy/coefficient": 0.0039,
        "imitation/log_likelihood": -0.81,
    }
    new, coefficient, imitated = training({1: step, 2: step}, None).charts
    assert [list(series.values) for series in new.series] == [[50.0, 50.0], [75.0, 75.0]]
    assert coefficient.said(coefficient.series[0]) == ["0.0039"] * 2
    assert imitated.said(imitated.series[0]) == ["-0.81"] * 2


def test_only_what_is_known_is_shown():
    assert training({}, None) is None
    assert training({1: {"step": 1.0, "unheard/of": 3.0}}, None) is None
    (chart,) = training(lines("reward/max", None, 0.5), Spread(0.4, 0.01, 3)).charts
    assert [list(s.values) for s in chart.series] == [[None, 0.5]]
    assert (chart.level.mean, chart.level.spread) == (0.4, 0.02)
    assert chart.said(chart.series[0]) == ["–", "0.5000"]


def test_a_baseline_measured_once_has_no_noise_band():
    (chart,) = training(lines("reward/max", 0.5), Spread(0.4, None, 1)).charts
    assert chart.level.spread == 0.0


def test_a_long_run_is_thinned_to_its_last_step():
    found = training(lines("reward/mean", *range(2 * MAX_STEPS + 1)), None)
    steps = found.charts[0].steps
    assert (found.total, found.stride) == (2 * MAX_STEPS + 1, 3)
    assert steps[-1] == 2 * MAX_STEPS + 1 and len(steps) <= MAX_STEPS
    assert {b - a for a, b in pairwise(steps)} == {3}


def test_a_trend_compares_the_ends_of_a_run():
    found = training(lines("reward/mean", 0.1, 0.3, 0.5, None, 0.7, 0.9), None)
    (trend,) = found.trends
    assert (found.span, trend.first, trend.last) == (2, "0.2000", "0.8000")
    assert training(lines("reward/mean", 0.1, 0.9), None).trends == ()


@given(st.lists(st.none() | st.floats(0, 1), max_size=30))
def test_ends_never_overlap(values):
    span = trend_span(len(values))
    assert 2 * span <= len(values)
    both = ends(values, span)
    known = [v for v in values if v is not None]
    assert both is None or all(min(known) - 1e-9 <= end <= max(known) + 1e-9 for end in both)


def test_the_script_is_given_a_place_and_words_for_every_value(tmp_path):
    found = training(load_run(training_run(tmp_path, steps=3, answers=4)).steps, None)
    data = script_data(found)
    assert len(data["x"]) == len(data["steps"]) == 3
    for chart, said in zip(found.charts, data["values"], strict=True):
        assert [len(words) for words in said] == [3] * len(chart.series)


# ---- several runs


def test_a_curve_over_runs_is_their_mean_within_the_band():
    runs = [lines("completed", 0.1, 0.4, None), lines("completed", 0.3, 0.4, 0.9)]
    found = curves.over_runs(runs, "completed", 100)
    assert found.mean == pytest.approx([20.0, 40.0, math.nan], nan_ok=True)
    assert found.low == pytest.approx([10.0, 40.0, math.nan], nan_ok=True)
    assert found.high == pytest.approx([30.0, 40.0, math.nan], nan_ok=True)


def test_steps_that_a_run_lacks_are_left_out():
    runs = [lines("a", 1, 2, 3), {2: {"a": 5.0}, 3: {"a": 6.0}}]
    assert [list(steps) for steps in curves.common_steps(runs)] == [[2, 3], [2, 3]]
    assert curves.common_steps([]) == []


def test_the_ends_of_every_run_are_told():
    runs = [lines("reward/mean", 1, 2, 3), lines("reward/mean", 2, 2, 4)]
    assert curves.run_ends(runs) == {"reward/mean": {"first": [1, 2], "last": [3, 4]}}


def test_the_picture_is_svg_that_needs_nothing_else(tmp_path):
    runs = [
        load_run(training_run(tmp_path, steps=4, answers=n, name=f"r{n}")).steps for n in (4, 8)
    ]
    out = tmp_path / "a.svg"
    curves.draw(out, "GRPO <on> $digits$", runs, Spread(0.9, 0.01, 3))
    text = out.read_text()
    tree = ElementTree.fromstring(text)
    words = ["".join(node.itertext()).strip() for node in tree.iter(f"{SVG}text")]
    assert "GRPO <on> $digits$" in words
    (reading,) = (said for said in words if "mean of 2 runs" in said)
    assert "baseline, 0.9000 ± 0.0200 (2 s.d.)" in reading
    kinds = [node.get("id", "").partition("-")[0] for node in tree.iter(f"{SVG}g")]
    assert [kinds.count(kind) for kind in ("line", "band", "baseline")] == [6, 6, 2]
    # White under everything, whatever the page's own colour is.
    assert "fill: #ffffff" in text.partition('id="axes_1"')[0]
    assert "<script" not in text and "<image" not in text
    curves.draw(out, "GRPO <on> $digits$", runs, Spread(0.9, 0.01, 3))
    assert out.read_text() == text


@pytest.mark.parametrize("runs", [[], [{}], [lines("reward/mean", 1), {2: {"reward/mean": 1.0}}]])
def test_runs_without_a_common_step_have_no_picture(tmp_path, runs):
    with pytest.raises(UserError, match="no step in common"):
        curves.draw(tmp_path / "a.svg", "none", runs, None)
    assert not list(tmp_path.iterdir())


def draw_picture(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_script_draws_runs_of_a_store(tmp_path):
    for seed in range(2):
        training_run(tmp_path, steps=4, answers=8, name=f"seed{seed}")
    runs = [f"{tmp_path}/runs/seed{seed}" for seed in range(2)]
    done = draw_picture(*runs, "--out", tmp_path / "a.svg", "--json")
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "a.svg").read_text()
    assert "GRPO on digits: 2 runs, 4 steps of 8 answers" in picture
    ends_ = json.loads(done.stdout.splitlines()[-1])
    assert len(ends_["reward/mean"]["first"]) == 2


def test_a_run_without_training_is_one_line(tmp_path):
    run = sample_run(tmp_path, ideas=2)
    done = draw_picture(f"{tmp_path}/runs/{run.name}", "--out", tmp_path / "a.svg")
    assert done.returncode == 1 and "has no metrics.jsonl" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "a.svg").exists()
