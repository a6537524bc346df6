"""Piecewise: the centred reward, and for completed ideas an exponential of it on top.

The advantage is (r - mean) + α · (e^(βr) over its mean among completed ideas - 1), the second part
for completed ideas only. β is at most 1 / (2 · noise), so that a difference of the measured noise
counts little. In units of the reward. A completed idea far below the best may have less than a
failed one, which has no second part.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from ideator_rl.rl.objectives.group import EPSILON, Floats, Group


def piecewise(group: Group, *, alpha: float, beta: float) -> Floats:
    advantages_N = group.rewards_N - group.rewards_N.mean()
    completed_C = group.rewards_N[group.completed_N]
    if len(completed_C):
        steep_C = min(beta, 1 / (2 * max(group.noise, EPSILON))) * completed_C
        log_mean = logsumexp(steep_C) - np.log(len(steep_C))
        advantages_N[group.completed_N] += alpha * np.expm1(steep_C - log_mean)
    return advantages_N
