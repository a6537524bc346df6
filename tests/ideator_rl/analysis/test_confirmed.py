"""Verdicts on fresh seeds, as a pure function."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.records import Outcome, Status
from executor.store.runs import Store
from ideator_rl.analysis.confirmed import Confirmation, Plan, judge, keep_plan, read_plans
from ideator_rl.report.forest import forest

BASELINE = (1.00, 1.01, 0.99)


def verdicts(
    rewards: dict[str, tuple[float | Status, ...]],
    first: float = 2.0,
    baseline: tuple[float | Status, ...] = BASELINE,
) -> Confirmation:
    """What `judge` says of ideas with these fresh rewards; a status is a trial that earned 0."""
    plan = Plan(tuple(rewards), tuple(range(7, 7 + len(baseline))), executed=9)
    trials = {
        (name, seed): Outcome(name, entry, 0.0)
        if isinstance(entry, str)
        else Outcome(name, "completed", entry)
        for name, entries in {"baseline": baseline, **rewards}.items()
        for seed, entry in zip(plan.seeds, entries, strict=True)
    }
    return judge(plan, dict.fromkeys(rewards, first), trials)


def test_a_gain_that_is_larger_than_its_noise_survives() -> None:
    found = verdicts({"a": (1.50, 1.52, 1.48), "b": (1.2, 0.9, 1.0)})
    assert [idea.verdict for idea in found.ideas] == ["survives", "does not survive"]
    a = found.ideas[0]
    assert a.mean == pytest.approx(1.5) and a.winners_curse == pytest.approx(0.5)
    assert a.gain and a.gain.value == pytest.approx(0.5) and a.gain.low and a.gain.low > 0
    assert str(found).startswith("1 of 2 winners survives on 3 fresh seeds each")
    assert "Bonferroni-corrected for 2" in str(found)


def test_a_single_winner_needs_no_correction_and_more_have_wider_intervals() -> None:
    rewards = (1.50, 1.52, 1.48)
    alone = verdicts({"a": rewards}).ideas[0].gain
    third = verdicts({"a": rewards, "b": rewards, "c": rewards}).ideas[0].gain
    assert alone and third and alone.low and third.low and third.low < alone.low
    assert "Bonferroni" not in str(verdicts({"a": rewards}))


@pytest.mark.parametrize("status", ["crashed", "timeout", "rejected", "not_implemented"])
def test_an_idea_that_fails_once_does_not_survive(status: Status) -> None:
    (idea,) = verdicts({"a": (9.0, status, 9.0)}).ideas
    assert idea.survives is False and idea.reason == f"{status.replace('_', ' ')} with seed 8"
    assert idea.mean == pytest.approx(6.0) and idea.winners_curse == pytest.approx(-4.0)
    assert idea.gain and idea.gain.value == pytest.approx(5.0) and idea.gain.low is None


def test_a_failed_baseline_trial_flatters_nobody() -> None:
    found = verdicts({"a": (1.5, 1.52, 1.48)}, baseline=(1.0, "crashed", 1.1))
    assert found.baseline == (1.0, 1.1) and "which failed on 1 of them" in str(found)
    assert found.ideas[0].gain and found.ideas[0].gain.value == pytest.approx(0.45)
    (idea,) = verdicts({"a": (1.5,)}, baseline=("crashed",)).ideas
    assert idea.gain is None and idea.verdict == "undecided"


def test_one_seed_decides_nothing() -> None:
    found = verdicts({"a": (5.0,)}, baseline=(1.0,))
    assert found.state == "done" and found.ideas[0].verdict == "undecided"
    assert "too few for an interval" in str(found)


def test_without_spread_the_gain_alone_decides() -> None:
    found = verdicts({"a": (2.0, 2.0), "b": (1.0, 1.0)}, baseline=(1.0, 1.0))
    assert [idea.survives for idea in found.ideas] == [True, False]


def test_a_trial_that_has_not_ended_leaves_everything_open() -> None:
    for cancelled in ({("a", 8): Outcome("a", "cancelled", 0.0)}, {}):
        trials = {(n, s): Outcome(n, "completed", 1.0) for n in ("a", "baseline") for s in (7, 8)}
        del trials["a", 8]
        found = judge(Plan(("a",), (7, 8)), {"a": 2.0}, trials | cancelled)
        assert (found.state, found.missing, found.ideas) == ("incomplete", 1, ())
        assert "1 of 4 trials" in str(found)


def test_nothing_to_confirm_is_said() -> None:
    found = judge(Plan((), ()), {}, {})
    assert found.state == "nothing to confirm" and list(found.plan.order()) == []
    assert forest(found, 0.1) is None


def test_the_plan_interleaves_and_nobody_is_always_first() -> None:
    plan = Plan(("a", "b"), (7, 8, 9))
    assert list(plan.order()) == [
        ("baseline", 7), ("a", 7), ("b", 7),
        ("a", 8), ("b", 8), ("baseline", 8),
        ("b", 9), ("baseline", 9), ("a", 9),
    ]  # fmt: skip


def test_plans_are_kept_in_their_order_and_none_twice_in_a_row(tmp_path) -> None:
    run = Store(tmp_path).run("first")
    first, second = Plan(("a",), (7, 8), 3), Plan(("b",), (9,), 6)
    for plan in (first, first, second, first):
        keep_plan(run, plan)
    assert read_plans(run) == [first, second, first]


rewards = st.floats(-1e6, 1e6)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[rewards] * n), min_size=2)))
def test_any_rewards_give_json_and_a_plot_inside_its_axis(rows: list[tuple[float, ...]]) -> None:
    found = verdicts({str(i): row for i, row in enumerate(rows[1:])}, rows[0][0], rows[0])
    json.dumps(asdict(found), allow_nan=False)
    plot = forest(found, 0.5)
    assert plot is not None and plot.ticks
    for row in plot.rows.values():
        assert 0 < row.mean < 100 and 0 < row.first < 100
        assert all(0 < x < 100 for x in (*row.trials, row.low or 1, row.high or 1))


def test_a_failure_does_not_squash_the_plot() -> None:
    plot = forest(verdicts({"a": (1.5, 1.52, 1.48), "b": ("crashed", 1.3, 1.3)}, 1.5), 0.01)
    assert plot is not None and plot.rows["b"].mean < 0 and plot.rows["b"].low is None
    assert plot.rows["a"].mean - plot.zero > 30


def with_final(rewards: dict[str, tuple[tuple[float, float], ...]]) -> Confirmation:
    """The verdicts where each trial earned a reward and another on the final part."""
    plan = Plan(tuple(name for name in rewards if name != "baseline"), (7, 8, 9), executed=9)
    trials = {
        (name, seed): Outcome(name, "completed", reward, final_reward=final)
        for name, pairs in rewards.items()
        for seed, (reward, final) in zip(plan.seeds, pairs, strict=True)
    }
    return judge(plan, dict.fromkeys(plan.ideas, 2.0), trials)


def test_what_is_gained_less_on_untouched_data_is_overfitting() -> None:
    baseline = ((1.00, 0.90), (1.01, 0.91), (0.99, 0.89))
    honest = ((1.50, 1.41), (1.51, 1.40), (1.49, 1.39))
    fitted = ((1.50, 0.91), (1.51, 0.90), (1.49, 0.90))
    found = with_final({"baseline": baseline, "honest": honest, "fitted": fitted})
    one, other = found.ideas
    assert one.survives and one.final_gain and one.overfit
    assert one.final_gain.value == pytest.approx(0.5)
    assert one.overfit.value == pytest.approx(0.0, abs=1e-9)
    assert other.survives is False and other.gain and other.gain.low and other.gain.low > 0
    assert other.overfit and other.overfit.low and other.overfit.low > 0.4
    assert "no search has touched the best one gains +0.5000" in str(found)
    assert found.figures()["confirmed/final_gain_value"] == pytest.approx(0.5)


def test_without_a_final_part_nothing_is_said_of_it() -> None:
    found = verdicts({"a": (1.50, 1.52, 1.48)})
    assert found.ideas[0].final_gain is None and found.ideas[0].overfit is None
    assert "touched" not in str(found)
