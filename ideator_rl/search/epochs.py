"""The ideas of a search, epoch by epoch, as soon as each batch exists.

    epochs = await in_thread(Epochs, recipe, executor.run, problem.codebase, executor.begun)
    async for ideas in epochs.ideas(ideator, executed, baseline):    # the next epoch, in batches
        ...

Stored ideas of the epoch come first, then new ones for the rest. The history that an epoch is shown
is recorded, so that a resumed search asks the same questions even if more trials have ended since:
before the ideator is asked, unless no trial runs whose end could change it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

from executor.errors import UserError
from executor.records import Idea
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from executor.store.threads import in_thread, in_threads
from executor.tasks.task_group import task_group
from ideator_rl.analysis.idea_kinds import Change, change_of
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Ideator, Proposal
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.search.method import Part
from ideator_rl.search.methods import READ_CODE, open_method
from ideator_rl.search.parents import with_parents

FOLDER = "epochs"


@dataclass(frozen=True)
class Shown(StrictRecord):
    """The inputs of an epoch: the ids of the executed ideas, and whether the baseline's reward was
    known."""

    ideas: tuple[str, ...]
    baseline: bool


class Epochs:
    """Asks for one epoch after the other, `number` being the next one. `baseline` is the unpatched
    codebase, `begun` has the trials that the store has; the run's events are read at once.
    `earlier` are other runs' ideas, which belong to the history of every epoch."""

    def __init__(
        self,
        recipe: SearchRecipe,
        run: RunFolder,
        baseline: Mapping[str, str],
        begun: Collection[str],
        earlier: Sequence[Executed] = (),
    ) -> None:
        self._recipe, self._run, self._begun = recipe, run, begun
        self._baseline = baseline
        self._earlier = list(earlier)
        self._method = open_method(recipe.search)
        self._recorded = run.kept_numbered(FOLDER, Shown)
        self._seen: list[Idea] = []
        self._changes: dict[str, Change | None] = {}
        self.number = 0

    @property
    def ideas_left(self) -> int:
        """How many ideas the recipe still admits."""
        return self._recipe.budget.ideas - len(self._seen)

    def recorded(self) -> Shown | None:
        """What the next epoch was shown in an earlier session."""
        return self._recorded.get(self.number)

    async def ideas(
        self,
        ideator: Ideator | None,
        executed: Mapping[str, Executed],
        baseline: float,
        beside: asyncio.TaskGroup | None = None,
    ) -> AsyncGenerator[list[Idea], None]:
        """The next epoch's ideas; without an ideator only those that the store has.

        `executed` is by id, `baseline` NaN where it is not known yet. Where no trial runs, what is
        recorded can be written `beside` the epoch. Raises what the ideator does.
        """
        number, rng = self.number, Random(f"{self._recipe.seed}/{self.number}")
        shown = self.recorded()
        is_new = shown is None
        shown = shown or Shown(tuple(sorted(executed)), not math.isnan(baseline))
        own = [executed[key] for key in shown.ideas if key in executed]
        if self._recipe.search.method in READ_CODE:
            own = await in_thread(self._with_changes, own)
        history = [*self._earlier, *own]
        baseline = baseline if shown.baseline else math.nan
        size = min(self._recipe.search.epoch_size, self.ideas_left)
        parts = self._method(number, size, history, baseline, rng)
        if self._recipe.changes_parents:
            parts = with_parents(parts, rng)
        names = [f"{number:03d}-{place:03d}" for place in range(sum(part.count for part in parts))]
        async with task_group() as tasks:
            if is_new:
                (beside or tasks).create_task(self._record(number, shown))
            begun = [name for name in names if name in self._begun]
            found = [tasks.create_task(in_thread(self._run.idea, name)) for name in begun]
        kept = zip(begun, found, strict=True)
        stored = {name: idea for name, task in kept if (idea := task.result()) is not None}
        # Sorted by id rather than by time, to be the same in every session.
        seen, self.number = sorted(self._seen, key=lambda idea: idea.id), number + 1
        self._seen += stored.values()
        if stored:
            yield list(stored.values())
        if ideator is None or len(stored) == len(names):
            return
        free = iter(names)
        for part in parts:
            base = await in_thread(self._base, part)
            request = IdeaRequest(
                part.mode, part.count, part.history, list(seen), baseline, rng, part.parent, base
            )
            wanted = part.count
            async with aclosing(ideator.propose(request)) as batches:
                async for batch in batches:
                    batch, wanted = batch[:wanted], wanted - len(batch)
                    made = [
                        _idea(name, number, part, new, changes_parent=base is not None)
                        for new, name in zip(batch, free, strict=False)
                    ]
                    seen += made
                    ideas = [idea for idea in made if idea.id not in stored]
                    self._seen += ideas
                    yield ideas

    def _base(self, part: Part) -> dict[str, str] | None:
        """The codebase that a part's ideas change; None for the baseline's."""
        if part.parent is None or not self._recipe.changes_parents:
            return None
        if (files := self._run.codebase(part.parent.idea.id)) is None:
            raise UserError(
                f"{self._run.url}/ideas/{part.parent.idea.id} has lost its codebase, which further "
                "ideas are to change; put the file back, or choose another run name"
            )
        return files

    def _with_changes(self, history: Sequence[Executed]) -> list[Executed]:
        missing = [entry for entry in history if entry.idea.id not in self._changes]
        for entry, change in zip(missing, in_threads(self._change, missing), strict=True):
            self._changes[entry.idea.id] = change
        return [entry._replace(change=self._changes[entry.idea.id]) for entry in history]

    def _change(self, entry: Executed) -> Change | None:
        files = self._run.codebase(entry.idea.id, repaired=entry.outcome.repaired)
        return change_of(self._baseline, files) if files else None

    async def _record(self, number: int, shown: Shown) -> None:
        self._recorded[number] = shown
        await in_thread(self._run.keep_numbered, FOLDER, number, shown)


def _idea(name: str, epoch: int, part: Part, new: Proposal, *, changes_parent: bool) -> Idea:
    """A proposal with its id; whose codebase it changes is its first parent."""
    base, parents = "", tuple(new.parents)
    if changes_parent and part.parent is not None:
        base = part.parent.idea.id
        parents = (base, *(parent for parent in parents if parent != base))
    return Idea(name, new.text, epoch, part.mode, parents, new.meta, base, part.group)
