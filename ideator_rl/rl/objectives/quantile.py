"""Quantile: what a reward exceeds a quantile of its group by, over the standard deviation of that.

The rest of the group has no advantage: nothing is learnt from the mean.
"""

from __future__ import annotations

import numpy as np

from ideator_rl.rl.objectives.group import Floats, Group, over_spread


def quantile(group: Group, *, q: float) -> Floats:
    threshold = np.quantile(group.rewards_N, q)
    return over_spread(np.maximum(group.rewards_N - threshold, 0.0))
