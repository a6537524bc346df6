"""Risk-seeking GRPO: an exponential of the standardised reward.

arXiv 2509.24261. With z = (r - mean) / s.d. the advantage is (e^(βz) over its mean in the group
minus 1) over β: GRPO's for β towards 0, and of the best of the group alone for a large β.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from ideator_rl.rl.objectives.group import Floats, Group, over_spread


def risk_seeking(group: Group, *, beta: float) -> Floats:
    steep_N = beta * over_spread(group.rewards_N - group.rewards_N.mean())
    return np.expm1(steep_N - logsumexp(steep_N) + np.log(group.size)) / beta
