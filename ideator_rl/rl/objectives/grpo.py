"""GRPO: the reward minus the group's mean, over its standard deviation.

Shao et al. 2024, arXiv 2402.03300; without the standard deviation it is arXiv 2503.20783.
Raises the mean of the rewards.
"""

from __future__ import annotations

from ideator_rl.rl.objectives.group import Floats, Group, over_spread


def grpo(group: Group, *, normalize: bool = True) -> Floats:
    centred_N = group.rewards_N - group.rewards_N.mean()
    return over_spread(centred_N) if normalize else centred_N
