"""The executed ideas of a run, from which prompts show some.

archive = Archive(Store("store").run("digits-evolution-seed0"))
archive.read()                     # what has ended since the last time
archive.ideas["003-001"].outcome.reward
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from executor.store.threads import in_threads
from executor.trial_keys import counts
from ideator_rl.ideators.ideator import Executed


@dataclass(frozen=True)
class ShownIdeas(StrictRecord):
    """The ids of the ideas that a prompt was to show, what matters most first."""

    ideas: tuple[str, ...]


class Archive:
    """`ideas` are by id; each is read once, since nothing in a store changes."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.ideas: dict[str, Executed] = {}

    def read(self) -> None:
        """Adds the ideas that have an outcome and are not here yet. Raises StoreError."""
        missing = [key for key in self.run.trials() if counts(key) and key not in self.ideas]
        for entry in in_threads(self._entry, missing):
            if entry is not None:
                self.ideas[entry.idea.id] = entry

    def _entry(self, key: str) -> Executed | None:
        idea, outcome = self.run.idea(key), self.run.outcome(key)
        return Executed(idea, outcome) if idea and outcome else None


def times_built_on(ideas: Iterable[Executed]) -> Counter[str]:
    """By id, how many ideas name an idea as a parent."""
    return Counter(parent for entry in ideas for parent in entry.idea.parents)
