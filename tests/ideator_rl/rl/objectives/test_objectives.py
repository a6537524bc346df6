"""Objectives: closed forms against brute force, and groups that are traps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from itertools import combinations
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from executor.errors import UserError
from ideator_rl.plugins.plugins import CONTRACTS
from ideator_rl.rl.objectives.entropic import DIVERGENCE, steepness
from ideator_rl.rl.objectives.group import EPSILON, Floats, Group
from ideator_rl.rl.objectives.settings import (
    EntropicObjective,
    GrpoObjective,
    MaxAtKObjective,
    Objective,
    PiecewiseObjective,
    PluginObjective,
    QuantileObjective,
    RankObjective,
    RiskSeekingObjective,
    advantages,
    check_objective,
)

OBJECTIVES: tuple[Objective, ...] = (
    GrpoObjective(),
    GrpoObjective(normalize=False),
    MaxAtKObjective(k=2),
    EntropicObjective(),
    PiecewiseObjective(),
    RiskSeekingObjective(),
    QuantileObjective(),
    RankObjective(),
)
named = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
# Multiples of a thousandth, as measured rewards nearly are: ties are common.
rewards = st.lists(st.integers(0, 1000).map(lambda n: n / 1000), min_size=2, max_size=9)


def group(values: Sequence[float], noise: float = 0.0, **more: object) -> Group:
    """A group whose ideas with a reward have completed, each with a codebase of its own."""
    n = len(values)
    made = Group(
        rewards_N=np.array(values, dtype=float),
        completed_N=np.array([value > 0 for value in values]),
        statuses=["completed" if value > 0 else "crashed" for value in values],
        hashes=[f"code {i}" for i in range(n)],
        ran_before_N=np.zeros(n, dtype=bool),
        thinking_tokens_N=np.zeros(n),
        noise=noise,
        baseline=0.5,
    )
    return replace(made, **more)  # type: ignore[arg-type]


@named
@given(rewards, st.sampled_from([0.0, 0.01, 0.5]))
def test_every_advantage_is_finite_and_none_prefers_a_lower_reward(
    objective: Objective, values: list[float], noise: float
) -> None:
    found_N = advantages(objective, group(values, noise))
    assert found_N.shape == (len(values),) and np.isfinite(found_N).all()
    order = np.argsort(values, kind="stable")
    if isinstance(objective, PiecewiseObjective):
        # Its second part is for completed ideas alone.
        order = order[np.array(values)[order] > 0]
    assert (np.diff(found_N[order]) >= -1e-9).all()


@named
@given(rewards, st.randoms(use_true_random=False))
def test_the_order_of_the_ideas_does_not_count(
    objective: Objective, values: list[float], random: object
) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight_N = advantages(objective, group(values))
    shuffled_N = advantages(objective, group([values[i] for i in order]))
    np.testing.assert_allclose(shuffled_N, straight_N[order], atol=1e-9)


@named
@pytest.mark.parametrize("values", [[0.0] * 4, [0.7] * 4, [0.3, 0.3]])
def test_equal_rewards_teach_nothing(objective: Objective, values: list[float]) -> None:
    assert (advantages(objective, group(values)) == 0).all()


@named
@pytest.mark.parametrize(
    "values", [[0, 0, 0, 0.8], [0.9, 0.9, 0.9, 0.9, 0.2], [0, 1], [1e-9, 2e-9, 0], [0, 1e9]]
)
def test_one_completed_most_at_the_top_and_groups_of_two_are_bounded(
    objective: Objective, values: list[float]
) -> None:
    found_N = advantages(objective, group(values))
    assert np.isfinite(found_N).all() and found_N.argmax() in np.flatnonzero(
        np.array(values) == max(values)
    )
    if objective not in (GrpoObjective(normalize=False), PiecewiseObjective()):
        # The two are in units of the reward.
        assert (np.abs(found_N) <= len(values)).all()


@given(rewards)
def test_grpo_is_the_reward_in_standard_deviations(values: list[float]) -> None:
    found_N = advantages(GrpoObjective(), group(values))
    expected = [(v - fmean(values)) / (stdev(values) + EPSILON) for v in values]
    np.testing.assert_allclose(found_N, expected, atol=1e-9)


@given(rewards, st.data())
def test_max_at_k_is_what_an_idea_adds_to_the_best_of_k(
    values: list[float], data: st.DataObject
) -> None:
    n = len(values)
    k = data.draw(st.integers(2, n))
    added = []
    for i in range(n):
        others = [value for j, value in enumerate(values) if j != i]
        sets = list(combinations(others, k - 1))
        added.append(k / n * fmean(max(*s, values[i]) - max(s) for s in sets))
    spread = stdev(added) + EPSILON
    found_N = advantages(MaxAtKObjective(k=k), group(values))
    np.testing.assert_allclose(found_N, np.array(added) / spread, atol=1e-9)


def test_max_at_k_of_all_encourages_the_best_alone() -> None:
    found_N = advantages(MaxAtKObjective(k=4), group([0.1, 0.2, 0.9, 0.5]))
    assert (found_N > 0).tolist() == [False, False, True, False]


@given(rewards)
def test_the_entropic_weights_have_the_divergence_where_they_can(values: list[float]) -> None:
    scaled_N = np.array(values)
    top = int((scaled_N == scaled_N.max()).sum())
    if np.ptp(scaled_N) == 0 or math.log(len(values) / top) < 1.05 * DIVERGENCE:
        return
    scaled_N = scaled_N / np.ptp(scaled_N)
    weights_N = softmax(steepness(scaled_N) * scaled_N)
    used_N = weights_N[weights_N > 0]
    found = float((used_N * np.log(used_N * len(values))).sum())
    second = np.unique(scaled_N)[-2]
    # What differs by less than a thousandth of the range is one reward to a bounded β.
    assert found == pytest.approx(DIVERGENCE, abs=1e-6) or scaled_N.max() - second < 0.02


def test_the_entropic_advantage_is_the_weight_over_the_others_mean() -> None:
    values = [0.2, 0.4, 0.5, 0.9, 0.1]
    beta = steepness(np.array(values) / 0.8) / 0.8
    weights = [math.exp(beta * value) for value in values]
    expected = [
        min(w / fmean(weights[:i] + weights[i + 1 :]), len(values)) - 1
        for i, w in enumerate(weights)
    ]
    np.testing.assert_allclose(advantages(EntropicObjective(), group(values)), expected)


def test_differences_within_the_noise_are_not_amplified() -> None:
    values = [0.80, 0.805, 0.81, 0.0]
    assert (advantages(EntropicObjective(), group(values, noise=0.02)) == 0).all()
    assert advantages(EntropicObjective(), group(values, noise=0.002)).any()
    within = advantages(PiecewiseObjective(beta=1e6), group(values[:3], noise=0.02))
    assert np.abs(within).max() < 0.3


def test_piecewise_is_the_sum_of_its_parts() -> None:
    values = [0.2, 0.4, 0.0, 0.5]
    weights = [math.exp(3 * value) if value else math.nan for value in values]
    mean = fmean(w for w in weights if not math.isnan(w))
    expected = [
        value - fmean(values) + (0.5 * (w / mean - 1) if value else 0)
        for value, w in zip(values, weights, strict=True)
    ]
    found_N = advantages(PiecewiseObjective(alpha=0.5, beta=3), group(values))
    np.testing.assert_allclose(found_N, expected)


@given(rewards)
def test_risk_seeking_tends_to_grpo(values: list[float]) -> None:
    small_N = advantages(RiskSeekingObjective(beta=1e-6), group(values))
    np.testing.assert_allclose(small_N, advantages(GrpoObjective(), group(values)), atol=1e-4)


def test_a_quantile_teaches_from_the_top_only() -> None:
    found_N = advantages(QuantileObjective(q=0.75), group([0.1, 0.2, 0.3, 0.4, 0.9]))
    assert (found_N > 0).tolist() == [False, False, False, False, True]


def test_ranks_do_not_see_how_far_failures_lie_below() -> None:
    far = advantages(RankObjective(), group([0, 0.80, 0.81]))
    near = advantages(RankObjective(), group([0.79, 0.80, 0.81]))
    assert far.tolist() == near.tolist()


# ---- an objective of somebody else


def install(monkeypatch: pytest.MonkeyPatch, value: str) -> PluginObjective:
    entry = EntryPoint("mine", value, CONTRACTS["objective"].group)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [entry])
    return PluginObjective("mine", {"weight": 2.0})


def best_only(group: Group, *, weight: float) -> Floats:
    return weight * (group.rewards_N == group.rewards_N.max())


def wrong_shape(group: Group, *, weight: float) -> list[float]:
    return [1.0]


def not_finite(group: Group, *, weight: float) -> Floats:
    return group.rewards_N * np.nan


def with_gradient(group: Group, *, weight: float) -> object:
    import torch

    return torch.tensor(group.rewards_N, requires_grad=True)


def asks_for_more(group: Group, *, weight: float) -> Floats:
    return group.log_probabilities_N  # type: ignore[attr-defined, no-any-return]


def test_an_installed_objective_is_called_with_its_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = install(monkeypatch, f"{__name__}:best_only")
    check_objective(mine, 4)
    assert advantages(mine, group([0.1, 0.9, 0.3])).tolist() == [0, 2, 0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("wrong_shape", r"plugin mine gave advantages of the shape \(1,\) for 3 ideas"),
        ("not_finite", "plugin mine gave an advantage that is not a finite number; it has to"),
        ("with_gradient", r"plugin mine gave advantages of the shape \(\) for 3 ideas"),
        ("asks_for_more", "mine raised AttributeError: .*; a group has rewards_N, completed_N,"),
    ],
)
def test_what_is_no_advantage_is_one_line(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        advantages(install(monkeypatch, f"{__name__}:{value}"), group([0.1, 0.9, 0.3]))


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (MaxAtKObjective(k=9), "objective.k: the best of 9 .* grpo.group_size is 8"),
        (PluginObjective("no-such"), "objective.name: no objective 'no-such' is installed"),
        (
            PluginObjective(f"{__name__}:best_only", {"wait": 1}),
            "objective.options: .*best_only: missing a required.* argument: 'weight'",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(objective: Objective, told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_objective(objective, 8)


def test_a_plugin_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"objective.name: mine cannot be imported"):
        check_objective(install(monkeypatch, "no_such_package:f"), 8)
