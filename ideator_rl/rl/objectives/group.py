"""The contract of an objective: the ideas of one group in, an advantage for each out.

    def advantages(group: Group) -> np.ndarray:           # (n,), any finite numbers
        return group.rewards_N - group.rewards_N.mean()

A group is the answers to one prompt in one step. docs/extending.md shows an objective of another
package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Keeps a spread of zero from being divided by; verl's GRPO has the same.
EPSILON = 1e-6


@dataclass(frozen=True)
class Group:
    """What execution knows of the n ideas of a group, in the order of their sampling.

    Args:
        rewards_N: the signal to learn from: measured rewards, changed by what the recipe's `signal`
            says.
        completed_N: whether the idea's trial completed.
        statuses: how each ended, see `executor.records`.
        hashes: what each ran, by the hash of the codebase; empty where there is no code.
        ran_before_N: whether that codebase ran before: earlier in the run, or for an idea before it
            in the group.
        thinking_tokens_N: length of the thinking before each idea, in tokens.
        noise: standard deviation of the baseline's reward between seeds; 0 where it is not known.
        baseline: the baseline's mean reward.
    """

    rewards_N: Floats
    completed_N: NDArray[np.bool_]
    statuses: Sequence[str]
    hashes: Sequence[str]
    ran_before_N: NDArray[np.bool_]
    thinking_tokens_N: Floats
    noise: float
    baseline: float

    @property
    def size(self) -> int:
        return len(self.rewards_N)


def over_spread(values_N: Floats) -> Floats:
    """Values over their standard deviation in the group."""
    if len(values_N) < 2:
        return values_N
    return values_N / (values_N.std(ddof=1) + EPSILON)
