"""What each group of a step is shown: chosen from the run's store when the step begins, and kept.

    prompts = StepPrompts(settings, run, seed=0, fits=…, without_marks=…)
    prompts.prompt(step=3, index=0, first="Digits: write one idea.")

<run>/prompts/0003/000.json has the ids of the ideas that the first group of step 3 is shown, so
that a step that is done again asks the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.ideators.archive import Archive, ShownIdeas
from ideator_rl.ideators.archive_prompts import Prompt, PromptsSettings, choose, fitted

FOLDER = "prompts"


class StepPrompts:
    """Belongs to one run, whose executed ideas are in `archive`. `fits` says whether a prompt is
    short enough for the model."""

    def __init__(
        self,
        settings: PromptsSettings,
        run: RunFolder,
        seed: int,
        fits: Callable[[str], bool],
        without_marks: Callable[[str], str],
    ) -> None:
        self._settings, self._run, self._seed = settings, run, seed
        self._fits, self._without_marks = fits, without_marks
        self.archive = Archive(run)
        # By step, what is kept of its groups.
        self._kept: dict[int, dict[int, ShownIdeas]] = {}

    def prompt(self, step: int, index: int, first: str) -> Prompt:
        """The prompt of a group, by its index in the step; `first` is the one that shows nothing.

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
        return fitted(first, chosen, self._fits, self._without_marks)

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
