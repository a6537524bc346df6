"""What changes the rewards before an objective sees them; what is reported stays as measured.

    shaped = shape(group, SignalSettings(duplicates="fail"), ideas, longest=448)

In this order: failures, length and similarity (the two of the paper, arXiv 2601.14525, section 5),
duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
import numpy as np

from executor.settings import Settings
from ideator_rl.analysis.diversity import similarities
from ideator_rl.rl.objectives.group import Floats, Group

Weight = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class SignalSettings(Settings, frozen=True):
    """`failures: floor` puts failed ideas below the worst completed idea of their group and the
    baseline by the measured noise, instead of at the failure reward. `duplicates: fail` gives an
    idea whose codebase ran before the lowest reward of its group; `split` shares what copies in a
    group earn above the lowest; `bonus` adds `bonus` times the spread of the group's completed
    rewards (their standard deviation, or the measured noise where that is larger) to a completed
    idea whose codebase never ran before. `length` is added for an answer whose thinking is as long
    as an answer may be, in proportion for shorter ones; `similarity` is taken off an idea that
    equals all others of its group, in proportion for less similar ones."""

    failures: Literal["measured", "floor"] = "measured"
    duplicates: Literal["keep", "fail", "split", "bonus"] = "keep"
    bonus: Weight = 0.5
    length: Weight = 0.0
    similarity: Weight = 0.0


def shape(group: Group, settings: SignalSettings, ideas: Sequence[str], longest: int) -> Group:
    """The group with the rewards to learn from.

    Args:
        group: with the measured rewards.
        settings: the section `signal` of a recipe.
        ideas: the text of each idea.
        longest: the most tokens of an answer.

    Returns:
        The same group with other rewards.
    """
    rewards_N = group.rewards_N.copy()
    if settings.failures == "floor":
        rewards_N = _floored(group)
    rewards_N += settings.length * group.thinking_tokens_N / longest
    if settings.similarity:
        rewards_N -= settings.similarity * np.array(similarities(ideas))
    lowest = rewards_N.min()
    if settings.duplicates == "fail":
        rewards_N[group.ran_before_N] = lowest
    elif settings.duplicates == "split":
        copies = Counter(group.hashes)
        counts_N = np.array([copies[code] if code else 1 for code in group.hashes])
        rewards_N = lowest + (rewards_N - lowest) / counts_N
    elif settings.duplicates == "bonus":
        # What failed found nothing, however new it is.
        found_N = group.completed_N & ~group.ran_before_N
        rewards_N[found_N] += settings.bonus * completed_spread(group)
    return replace(group, rewards_N=rewards_N)


def completed_spread(group: Group) -> float:
    """The standard deviation of the measured rewards of the completed ideas, at least the noise.

    Failures are left out: at a reward of 0 they would lie farther from the rest than any two good
    ideas from each other.
    """
    completed_C = group.rewards_N[group.completed_N]
    spread = float(completed_C.std(ddof=1)) if len(completed_C) > 1 else 0.0
    return max(spread, group.noise)


def _floored(group: Group) -> Floats:
    completed_C = group.rewards_N[group.completed_N]
    floor = min([group.baseline, *completed_C]) - group.noise
    return np.where(group.completed_N, group.rewards_N, floor)
