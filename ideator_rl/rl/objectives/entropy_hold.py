"""Entropy hold: the entropy coefficient, steered so that a share of ideas is unseen.

    hold = EntropyHold(EntropyHoldSettings(unseen=0.6), run, first=0.003)
    hold.coefficient(step=3, unseen=0.4)          # 1.3 times that of step 2

The share is of the answers that became code: a model that writes noise is not pushed further from
words. <run>/entropy/003.json keeps what a step had, so that a resumed run steers on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

from executor.settings import Settings, Share
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder

FOLDER = "entropy"
FACTOR = 1.3
# Where it begins if the recipe sets none.
FIRST = 0.003
# Times the first: bounds, so that what has to turn round is not far away when it does.
LEAST, MOST = 0.1, 100.0


class EntropyHoldSettings(Settings, frozen=True):
    """Steers the entropy coefficient: times 1.3 in a step in which the share of unseen codebases
    (each counted once, of the answers that became code) is below `unseen`, over 1.3 in any other.
    It begins at `grpo.entropy`, or 0.003 where that is 0, and stays within a tenth and a hundred
    times of it."""

    unseen: Share = 0.6


@dataclass(frozen=True)
class HeldEntropy(StrictRecord):
    """The coefficient of a step's update, and the share of unseen codebases that it answers; None
    where no answer became code."""

    coefficient: float
    unseen: float | None


class EntropyHold:
    """Belongs to one run; `first` is where the coefficient begins."""

    def __init__(self, settings: EntropyHoldSettings, run: RunFolder, first: float) -> None:
        self._settings, self._run, self._first = settings, run, first
        self._kept = run.kept_numbered(FOLDER, HeldEntropy)

    def coefficient(self, step: int, unseen: float | None) -> float:
        """The coefficient of a step's update.

        Args:
            step: the step of training.
            unseen: the share of its answers with code whose codebase never ran before; None where
                no answer has code.
        """
        if step not in self._kept:
            last = max((number for number in self._kept if number < step), default=None)
            before = self._first if last is None else self._kept[last].coefficient
            after = steered(before, unseen, self._settings.unseen, self._first)
            held = HeldEntropy(after, unseen)
            self._run.keep_numbered(FOLDER, step, held)
            self._kept[step] = held
        return self._kept[step].coefficient


def steered(before: float, unseen: float | None, wanted: float, first: float) -> float:
    """The coefficient after one that was in force `before`; the same where nothing is known."""
    if unseen is None:
        return before
    after = before * FACTOR if unseen < wanted else before / FACTOR
    return min(max(after, LEAST * first), MOST * first)
