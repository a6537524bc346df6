"""Rewards of several problems on one scale: the baseline is zero, its noise the unit.

    unit = unit_of("digits", baselines, None)         # s.d. of the baseline between seeds
    gains(rewards_N, completed_N, baseline, unit)     # 2.5: as many units above the baseline

What failed has earned nothing on any scale: it counts as LOWEST, and so does what completed and is
as bad. So a failure weighs the same whatever its problem pays for it, and is never worth more than
an idea that ran.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from executor.errors import UserError
from ideator_rl.rl.objectives.group import Floats, Group

# In units. Ideas that completed are mostly within ten of them, on either side (docs/ideas-*.md).
LOWEST = -10.0


def unit_of(problem: str, baselines: Sequence[float], unit: float | None) -> float:
    """What counts as one.

    Args:
        problem: its name.
        baselines: the rewards of its baseline, one a seed.
        unit: what the recipe says, in place of their standard deviation.

    Raises:
        UserError: their standard deviation is 0 or not known, and the recipe says nothing.
    """
    if unit is not None:
        return unit
    noise = statistics.stdev(baselines) if len(baselines) > 1 else 0.0
    if noise == 0:
        raise UserError(
            f"envs: the baseline of {problem} earns the same with every seed, so that its noise is "
            f"no unit for rewards; say what counts as one: {{env: {problem}, unit: 0.01}}"
        )
    return noise


def gains(
    rewards_N: Floats, completed_N: NDArray[np.bool_], baseline: float, unit: float
) -> Floats:
    """How many units above the baseline each reward lies, at least LOWEST."""
    found_N = np.where(completed_N, (rewards_N - baseline) / unit, LOWEST)
    return np.maximum(found_N, LOWEST)


def comparable(group: Group, unit: float) -> Group:
    """A group with its gains for rewards, and with noise and baseline on their scale."""
    rewards_N = gains(group.rewards_N, group.completed_N, group.baseline, unit)
    return replace(group, rewards_N=rewards_N, noise=group.noise / unit, baseline=0.0)
