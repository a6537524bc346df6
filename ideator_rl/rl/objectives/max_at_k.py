"""max@k: what an idea adds to the best of k.

arXiv 2505.15201. The advantage of an idea is k/n times the mean, over all sets of k ideas of the
group that hold it, of the best reward of the set minus the best without it; over the standard
deviation of these in the group. Only what can be the best of k is encouraged.

With rewards ascending, idea i is the best of a set whose second best is j < i in C(j, k-2) of the
C(n-1, k-1) sets that hold i.
"""

from __future__ import annotations

from math import comb

import numpy as np

from ideator_rl.rl.objectives.group import Floats, Group, over_spread


def max_at_k(group: Group, *, k: int) -> Floats:
    n, order_N = group.size, np.argsort(group.rewards_N, kind="stable")
    rewards_N = group.rewards_N[order_N]
    # The share of the sets that hold an idea in which j is the best of the others below it.
    share_N = np.array([comb(j, k - 2) / comb(n - 1, k - 1) for j in range(n)])
    gain_NN = rewards_N[:, None] - rewards_N[None, :]
    below_NN = np.tril(np.ones((n, n)), -1)
    added_N = np.empty(n)
    added_N[order_N] = k / n * (gain_NN * below_NN * share_N).sum(axis=1)
    return over_spread(added_N)
