"""The figures of a run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import completed

from executor.records import Outcome
from ideator_rl.analysis import metrics

REWARDS = st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=60)


@given(REWARDS)
def test_best_so_far_is_the_maximum_of_every_prefix(rewards):
    curve = metrics.best_so_far(rewards)
    for end, best in enumerate(curve, start=1):
        known = [r for r in rewards[:end] if r is not None and math.isfinite(r)]
        assert best == max(known, default=None)
    assert len(curve) == len(rewards)


@given(st.lists(st.sampled_from(["completed", "crashed", "rejected", "timeout"]), max_size=40))
def test_every_trial_is_counted_once_by_status_and_once_by_stage(statuses):
    stages = {"completed": "done", "crashed": "train", "rejected": "examine", "timeout": "train"}
    trials = [Outcome(str(i), s, 0.0, stages[s]) for i, s in enumerate(statuses)]
    assert sum(metrics.status_counts(trials).values()) == len(trials)
    flow = metrics.stage_flow(trials)
    assert flow[0].reached == len(trials)
    assert [f.reached for f in flow[1:]] == [f.passed for f in flow[:-1]]
    assert flow[-1].passed == statuses.count("completed")


def test_a_metric_that_gives_no_reward_is_lost_in_the_examination():
    flow = metrics.stage_flow([Outcome("a", "rejected", 0.0, "done")])
    assert dict(flow[-1].stopped) == {"rejected": 1}
    assert flow[-1].passed == 0


def test_completion_rate_is_undefined_without_trials():
    assert metrics.completion_rate([]) is None
    assert metrics.completion_rate([completed("a", 0.9), Outcome("b", "crashed", 0.0)]) == 0.5


def test_improvement_is_counted_in_baseline_standard_deviations():
    baseline = metrics.spread([0.40, 0.42, 0.44])
    assert (baseline.mean, baseline.sd, baseline.n) == pytest.approx((0.42, 0.02, 3))
    assert metrics.improvement_in_sd(0.5, baseline) == pytest.approx(4.0)


def test_improvement_is_unknown_without_a_spread():
    assert metrics.improvement_in_sd(0.5, None) is None
    assert metrics.improvement_in_sd(0.5, metrics.spread([0.4])) is None
    assert metrics.improvement_in_sd(0.5, metrics.spread([0.4, 0.4])) is None


def test_ideas_without_code_are_no_codebases():
    trials = [completed("a", 0.9), completed("a", 0.9), Outcome("b", "not_implemented", 0.0)]
    assert metrics.distinct_codebases(trials) == 1


def test_time_between_sessions_does_not_count():
    events = [
        {"event": "start", "time": 100.0, "slots": 2},
        {"event": "trial", "time": 104.0, "started": 1.0, "ended": 5.0},
        {"event": "stop", "time": 110.0},
        {"event": "start", "time": 500.0, "slots": 2},
        {"event": "trial", "time": 505.0, "started": 900.0, "ended": 904.0},
        {"event": "finished", "time": 510.0},
    ]
    lives = metrics.sessions(events)
    assert metrics.wall_seconds(lives) == 20.0
    assert [metrics.elapsed_at(t, lives) for t in (50.0, 104.0, 300.0, 505.0)] == [0, 4, 10, 15]
    assert metrics.busy_share(events) == pytest.approx(8 / 40)


def test_slots_of_a_run_that_never_started_have_no_share():
    assert metrics.busy_share([]) is None
