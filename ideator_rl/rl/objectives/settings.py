"""The section `objective` of a GRPO recipe, and the advantages that it stands for.

advantages(MaxAtKSettings(k=8), group)          # (n,), finite
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from executor.errors import UserError
from executor.settings import Positive, Settings
from ideator_rl.plugins.plugins import load_plugin, raised
from ideator_rl.rl.objectives.entropic import entropic
from ideator_rl.rl.objectives.group import Floats, Group
from ideator_rl.rl.objectives.grpo import grpo
from ideator_rl.rl.objectives.max_at_k import max_at_k
from ideator_rl.rl.objectives.piecewise import piecewise
from ideator_rl.rl.objectives.quantile import quantile
from ideator_rl.rl.objectives.rank import rank
from ideator_rl.rl.objectives.risk_seeking import risk_seeking


class ObjectiveSettings(Settings, frozen=True, tag_field="kind"):
    """Every kind has this method."""

    def advantages(self, group: Group) -> Floats:
        raise NotImplementedError


class GrpoObjective(ObjectiveSettings, frozen=True, tag="grpo"):
    """The reward minus the group's mean, over its standard deviation if `normalize` is true."""

    normalize: bool = True

    def advantages(self, group: Group) -> Floats:
        return grpo(group, normalize=self.normalize)


class MaxAtKObjective(ObjectiveSettings, frozen=True, tag="max_at_k"):
    """What an idea adds to the best of `k` of its group."""

    k: Annotated[int, msgspec.Meta(ge=2)] = 8

    def advantages(self, group: Group) -> Floats:
        return max_at_k(group, k=self.k)


class EntropicObjective(ObjectiveSettings, frozen=True, tag="entropic"):
    """Ideas weighed by the exponential of their reward, as steep as each group bears."""

    def advantages(self, group: Group) -> Floats:
        return entropic(group)


class PiecewiseObjective(ObjectiveSettings, frozen=True, tag="piecewise"):
    """The centred reward, and `alpha` times an exponential of slope `beta` for completed ideas."""

    alpha: Positive = 1.0
    beta: Positive = 100.0

    def advantages(self, group: Group) -> Floats:
        return piecewise(group, alpha=self.alpha, beta=self.beta)


class RiskSeekingObjective(ObjectiveSettings, frozen=True, tag="risk_seeking"):
    """An exponential of slope `beta` of the standardised reward."""

    beta: Positive = 2.0

    def advantages(self, group: Group) -> Floats:
        return risk_seeking(group, beta=self.beta)


class QuantileObjective(ObjectiveSettings, frozen=True, tag="quantile"):
    """What a reward exceeds the quantile `q` of its group by."""

    q: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.75

    def advantages(self, group: Group) -> Floats:
        return quantile(group, q=self.q)


class RankObjective(ObjectiveSettings, frozen=True, tag="rank"):
    """GRPO on ranks instead of rewards."""

    def advantages(self, group: Group) -> Floats:
        return rank(group)


class PluginObjective(ObjectiveSettings, frozen=True, tag="plugin"):
    """An objective of another package, see docs/extending.md: `name` is its entry point or
    `package.module:name`, `options` are its own."""

    name: str
    options: dict[str, Any] = {}

    def load(self) -> Callable[..., Any]:
        return load_plugin("objective", "objective", self.name, self.options)

    def advantages(self, group: Group) -> Floats:
        found = self.load()
        try:
            return found(group, **self.options)
        except Exception as error:  # whatever a package does
            told = raised("objective", self.name, error)
            if isinstance(error, AttributeError) and error.obj is group:
                told = UserError(f"{told}; a group has {', '.join(Group.__annotations__)}")
            raise told from error


Objective = (
    GrpoObjective
    | MaxAtKObjective
    | EntropicObjective
    | PiecewiseObjective
    | RiskSeekingObjective
    | QuantileObjective
    | RankObjective
    | PluginObjective
)


def check_objective(objective: Objective, group_size: int) -> None:
    """Refuses, before anything starts, what no group of this size can have. Raises UserError."""
    if isinstance(objective, MaxAtKObjective) and objective.k > group_size:
        raise UserError(
            f"objective.k: the best of {objective.k} takes groups of at least as many ideas, and "
            f"grpo.group_size is {group_size}"
        )
    if isinstance(objective, PluginObjective):
        objective.load()


def advantages(objective: Objective, group: Group) -> Floats:
    """One finite advantage for each idea of the group; zeros where all rewards are equal.

    Raises UserError that names the objective where it gives anything else.
    """
    if np.ptp(group.rewards_N) == 0:
        return np.zeros(group.size)
    name = objective.__struct_config__.tag
    if isinstance(objective, PluginObjective):
        name = f"plugin {objective.name}"
    found = objective.advantages(group)
    try:
        found_N = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):  # the last: of tensors that have a gradient
        found_N = np.array(np.nan)
    if found_N.shape != (group.size,):
        raise UserError(
            f"objective: {name} gave advantages of the shape {found_N.shape} for "
            f"{group.size} ideas; it has to return one number for each"
        )
    if not np.isfinite(found_N).all():
        raise UserError(
            f"objective: {name} gave an advantage that is not a finite number; it has to return "
            "one for each idea, whatever their rewards are"
        )
    return found_N
