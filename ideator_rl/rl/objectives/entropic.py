"""Entropic: ideas weighed by the exponential of their reward.

TTT-Discover, arXiv 2601.16175. The advantage is e^(βr) over the mean e^(βr) of the other ideas,
minus 1. β is such that the softmax of βr is ln 2 away (Kullback-Leibler) from uniform weights;
where no β is, since half of the group or more has the top reward, it is the largest in use. A
weight is at most n. Where the completed rewards differ by less than the measured noise,
exponentials would only amplify it: no advantage.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from ideator_rl.rl.objectives.group import Floats, Group

DIVERGENCE = math.log(2)
_LARGEST = 1e3  # of β times the range of rewards


def entropic(group: Group) -> Floats:
    rewards_N = group.rewards_N
    spread = float(np.ptp(rewards_N))
    completed_C = rewards_N[group.completed_N]
    is_noise = len(completed_C) > 1 and np.ptp(completed_C) < group.noise
    if spread == 0 or is_noise:
        return np.zeros(group.size)
    exponents_N = steepness(rewards_N / spread) * rewards_N / spread
    others_N = np.array([logsumexp(np.delete(exponents_N, i)) for i in range(group.size)])
    log_weights_N = exponents_N - others_N + math.log(group.size - 1)
    return np.exp(np.minimum(log_weights_N, math.log(group.size))) - 1


def steepness(rewards_N: Floats) -> float:
    """The β at which the softmax of β times rewards, whose range is 1, has the DIVERGENCE."""

    def missing(beta: float) -> float:
        weights_N = softmax(beta * rewards_N)
        used_N = weights_N[weights_N > 0]
        return float((used_N * np.log(used_N * len(rewards_N))).sum()) - DIVERGENCE

    return float(brentq(missing, 0.0, _LARGEST)) if missing(_LARGEST) > 0 else _LARGEST
