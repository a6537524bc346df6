"""Rank: GRPO on the ranks of the rewards, ties sharing theirs.

How far ideas lie apart does not count, so failures at 0 do not hide the differences of the rest.
"""

from __future__ import annotations

from dataclasses import replace

from scipy.stats import rankdata

from ideator_rl.rl.objectives.group import Floats, Group
from ideator_rl.rl.objectives.grpo import grpo


def rank(group: Group) -> Floats:
    return grpo(replace(group, rewards_N=rankdata(group.rewards_N)))
