"""Imitation: the best distinct ideas so far, whose log-likelihood a step raises beside its rewards.

    imitation = StepImitation(ImitationSettings(best=16), run, archive, answer)
    imitation.answers(step=3)                  # tokens of the best 16, each with its prompt

Self-imitation (Oh et al. 2018, arXiv 1806.05635) and expert iteration (Anthony et al. 2017, arXiv
1705.08439): the best of the steps up to this one, and of another run where `from` names one. A
codebase counts once, by its first idea. <run>/imitation/003.json keeps which ideas a step imitates,
so that a step that is done again imitates the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from executor.errors import UserError
from executor.settings import AtLeast1, Positive, Settings
from executor.store.runs import RunFolder
from ideator_rl.ideators.archive import Archive, ShownIdeas
from ideator_rl.ideators.ideator import Executed
from ideator_rl.rl.objectives.imitated_run import FOLDER, kept_examples


class ImitationSettings(Settings, frozen=True, rename={"source": "from"}):
    """Adds `weight` times the mean log-likelihood of the `best` distinct ideas so far to what a
    step wants, each as an answer to the prompt that it answered. It is averaged over tokens as the
    advantages are, so that `weight` compares with an advantage. `from` is another run on the same
    problem, a search or a training: its name in this store, or STORE/runs/RUN. Its best ideas, as
    they are when this run begins, are answers to the prompt that shows nothing. Of several problems
    each has its `best`."""

    weight: Positive = 0.3
    best: AtLeast1 = 16
    source: str | None = None


@dataclass(frozen=True)
class ImitatedAnswer:
    """An answer in tokens, with its end, and the prompt that it is to."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


class StepImitation:
    """Belongs to one run. `answer` makes tokens of an idea, or None where it is too long, or holds
    what no model may learn to write."""

    def __init__(
        self,
        settings: ImitationSettings,
        run: RunFolder,
        archive: Archive,
        answer: Callable[[Executed], ImitatedAnswer | None],
    ) -> None:
        self._settings, self._run, self._archive, self._answer = settings, run, archive, answer
        self._examples = {entry.idea.id: entry for entry in kept_examples(run)}
        self._kept = run.kept_numbered(FOLDER, ShownIdeas)
        self._answers: dict[str, ImitatedAnswer | None] = {}

    def answers(self, step: int) -> list[ImitatedAnswer]:
        """What a step imitates, the best first; empty where nothing has completed yet.

        Raises UserError where an idea that it imitated is gone, StoreError.
        """
        self._archive.read()
        if step not in self._kept:
            self._kept[step] = ShownIdeas(tuple(self._chosen(step)))
            self._run.keep_numbered(FOLDER, step, self._kept[step])
        found = [self._of(name, step) for name in self._kept[step].ideas]
        return [answer for answer in found if answer is not None]

    def _chosen(self, step: int) -> list[str]:
        own = [e for e in self._archive.ideas.values() if 0 < e.idea.epoch <= step]
        chosen: list[str] = []
        for entry in best_first(own, list(self._examples.values())):
            if len(chosen) == self._settings.best:
                break
            if self._of(entry.idea.id, step) is not None:
                chosen.append(entry.idea.id)
        return chosen

    def _of(self, name: str, step: int) -> ImitatedAnswer | None:
        if name not in self._answers:
            entry = self._examples.get(name) or self._archive.ideas.get(name)
            if entry is None:
                raise UserError(
                    f"{self._run.url}/ideas/{name} is gone, which step {step} imitated; put it "
                    "back, or choose another run name"
                )
            self._answers[name] = self._answer(entry)
        return self._answers[name]


def best_first(own: Sequence[Executed], examples: Sequence[Executed]) -> list[Executed]:
    """The completed ideas by reward, of each codebase the first: of the run's own the oldest, then
    of the examples."""
    oldest = sorted(own, key=lambda entry: (entry.idea.epoch, entry.idea.id))
    first: dict[str, Executed] = {}
    for entry in [*oldest, *examples]:
        if entry.outcome.completed:
            first.setdefault(entry.outcome.content_hash, entry)
    return sorted(first.values(), key=lambda entry: -entry.outcome.reward)
