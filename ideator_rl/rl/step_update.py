"""What an update of the weights takes beside advantages: the entropy coefficient in force, and the
answers that are imitated.

    update = StepUpdate(config, learning, run, imitations)
    update.begin(workers, step=3, unseen=0.4)     # the workers know now
    update.figures(workers)                       # after it: {"entropy/coefficient": 0.0039, …}

The coefficient reaches verl's workers as a new loss function, by their own `set_loss_fn`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from typing import Any

from omegaconf import DictConfig, OmegaConf
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.utils.losses import ppo_loss

from executor.store.runs import RunFolder
from ideator_rl.rl.objectives.entropy_hold import FIRST, EntropyHold
from ideator_rl.rl.objectives.imitation import StepImitation
from ideator_rl.rl.objectives.step import Learning


class StepUpdate:
    """Belongs to one run; `config` is verl's, `imitations` are what is imitated of each problem."""

    def __init__(
        self,
        config: DictConfig,
        learning: Learning,
        run: RunFolder,
        imitations: Sequence[StepImitation],
    ) -> None:
        self._actor = config.actor_rollout_ref.actor
        self._temperature = config.actor_rollout_ref.rollout.temperature
        self._settings, self._imitations = learning.imitation, imitations
        self._hold: EntropyHold | None = None
        if learning.entropy_hold is not None:
            first = self._actor.entropy_coeff or FIRST
            self._hold = EntropyHold(learning.entropy_hold, run, first)
        self._figures: dict[str, float] = {}

    def begin(self, workers: Any, step: int, unseen: float | None) -> None:
        """Tells the workers, which update next; `unseen` is the step's share of unseen codebases.

        Raises UserError, StoreError.
        """
        self._figures = {}
        if self._hold is not None:
            coefficient = self._hold.coefficient(step, unseen)
            workers.set_loss_fn(policy_loss(self._actor, coefficient))
            self._figures["entropy/coefficient"] = coefficient
            if unseen is not None:
                self._figures["entropy/unseen"] = unseen
        if self._settings is not None:
            answers = [answer for one in self._imitations for answer in one.answers(step)]
            workers.imitate(answers, self._settings.weight, self._temperature)
            self._figures["imitation/ideas"] = len(answers)

    def figures(self, workers: Any) -> dict[str, float]:
        """Figures of the update that has been."""
        if self._figures.get("imitation/ideas"):
            self._figures["imitation/log_likelihood"] = statistics.fmean(workers.imitated())
        return self._figures


def policy_loss(actor: DictConfig, entropy: float) -> partial[Any]:
    """verl's loss, as its workers make it, with another entropy coefficient."""
    changed: Any = OmegaConf.merge(actor, {"entropy_coeff": entropy})
    return partial(ppo_loss, config=omega_conf_to_dataclass(changed))
