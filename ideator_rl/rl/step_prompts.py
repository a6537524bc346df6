"""What each group of a step is shown: chosen from the run's store when the step begins, and kept.

    prompts = StepPrompts(settings, run, seed=0, first=…, fits=…, without_marks=…)
    prompts.prompt(step=3, index=0)

<run>/prompts/0003/000.json has the ids of the ideas that the first group of step 3 is shown, so
that a step that is done again asks the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.ideators.archive import Archive, ShownIdeas
from ideator_rl.ideators.archive_prompts import Prompt, PromptsSettings, choose, fitted
from ideator_rl.ideators.ideator import Executed

FOLDER = "prompts"


class StepPromptsSettings(PromptsSettings, frozen=True):
    """What a prompt of training holds beside the problem: nothing with the kind `fixed`, else the
    outcomes of at most `shown` earlier ideas: `random` ones, the `best`, or those that `puct`
    chooses. With `base: parent` the ideas of a group are edits of the code of one of these, the
    first that completed, so that a run builds on what it found; a full prompt shows that code, and
    where it has no room for it, the baseline's."""

    base: Literal["baseline", "parent"] = "baseline"


class StepPrompts:
    """Belongs to one run, whose executed ideas are in `archive`. `first` gives the prompt that
    shows nothing but the code of an idea, by its id, or without one the baseline's; `fits` says
    whether a prompt is short enough for the model."""

    def __init__(
        self,
        settings: StepPromptsSettings,
        run: RunFolder,
        seed: int,
        first: Callable[[str], str],
        fits: Callable[[str], bool],
        without_marks: Callable[[str], str],
    ) -> None:
        self._settings, self._run, self._seed, self._first = settings, run, seed, first
        self._fits, self._without_marks = fits, without_marks
        self.archive = Archive(run)
        # By step, what is kept of its groups.
        self._kept: dict[int, dict[int, ShownIdeas]] = {}

    def prompt(self, step: int, index: int) -> Prompt:
        """The prompt of a group, by its index in the step.

        Raises UserError where an idea that it was shown is gone, StoreError.
        """
        self._read(step)
        kept = self._kept[step].get(index)
        if kept is None:
            before = [e for e in self.archive.ideas.values() if 0 < e.idea.epoch < step]
            rng = Random(f"{self._seed}/{step}/{index}")
            chosen = choose(self._settings, before, self._visits(step, index), rng)
            kept = ShownIdeas(tuple(entry.idea.id for entry in chosen))
            self._run.keep_numbered(_folder(step), index, kept)
            self._kept[step][index] = kept
        for name in kept.ideas:
            if name not in self.archive.ideas:
                raise UserError(
                    f"{self._run.url}/ideas/{name} is gone, which step {step} was shown; put it "
                    "back, or choose another run name"
                )
        chosen = [self.archive.ideas[name] for name in kept.ideas]
        if base := self._base(chosen):
            first = self._first(base.idea.id)
            if self._fits(first):
                return fitted(first, chosen, self._fits, self._without_marks, base)
        return fitted(self._first(""), chosen, self._fits, self._without_marks)

    def _base(self, chosen: Sequence[Executed]) -> Executed | None:
        """The idea whose code a group is to change."""
        if self._settings.base == "baseline":
            return None
        return next((entry for entry in chosen if entry.outcome.completed), None)

    def _visits(self, step: int, index: int) -> Counter[str]:
        """How often ideas were shown before a group, by id."""
        shown: Counter[str] = Counter()
        for past, groups in self._kept.items():
            for group, kept in groups.items():
                if (past, group) < (step, index):
                    shown.update(kept.ideas)
        return shown

    def _read(self, step: int) -> None:
        """Reads what the store has of the steps up to this one, and was not read yet."""
        for number in range(1, step + 1):
            if number not in self._kept:
                self._kept[number] = self._run.kept_numbered(_folder(number), ShownIdeas)
        self.archive.read()


def _folder(step: int) -> str:
    return f"{FOLDER}/{step:04d}"
