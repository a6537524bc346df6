"""The ideas that an evaluation samples, kept one by one in `ideas.jsonl`.

    kept = SampleFile(open_storage("results"))
    sample_model(recipe, "store/runs/a/model", ideator, kept, show)      # what is missing
    kept.row("store/runs/a/model")[3].text

A sample's seed depends on its index and on nothing else, so that the i-th ideas of two models are a
pair, and a run that was cut short goes on as it would have.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from executor.problem.problem import Problem
from executor.records import Record
from executor.store.storage import Storage
from executor.store.threads import in_thread
from ideator_rl.evaluation.recipe import LIBRARY_ROW, EvaluationRecipe
from ideator_rl.ideators.checkpoint import CheckpointIdeator
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Ideator, propose_all
from ideator_rl.ideators.library import LibraryIdeator, load_library

FILE = "ideas.jsonl"


@dataclass(frozen=True)
class Sample(Record):
    """One sampled idea. `row` is the model as it was named, API_ROWS or PLUGIN_ROWS and a
    name, or LIBRARY_ROW;
    lengths are in the model's tokens, None where there is no model of ours; `seconds` is the wall
    time that it took, `cost` what a language model behind an API cost for it, in US dollars."""

    row: str
    index: int
    text: str
    title: str = ""
    thinking: str = ""
    thinking_tokens: int | None = None
    idea_tokens: int | None = None
    seconds: float = 0.0
    cost: float | None = None


class SampleFile:
    """`ideas.jsonl` in a folder that only this process writes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._kept: dict[tuple[str, int], Sample] = {}
        text = (storage.read(FILE) or b"").decode(errors="replace")
        for line in text.split("\n"):
            try:
                sample = Sample.from_json(line)
            except ValueError:
                continue  # cut short by a kill
            self._kept[sample.row, sample.index] = sample
        self._begin = "" if text.endswith("\n") or not text else "\n"

    def row(self, name: str) -> list[Sample]:
        """The samples of a row that there are, by index."""
        return sorted((s for s in self._kept.values() if s.row == name), key=lambda s: s.index)

    def missing(self, row: str, n: int) -> list[int]:
        """Which of the indices 0 … n-1 have no sample."""
        return [index for index in range(n) if (row, index) not in self._kept]

    def add(self, sample: Sample) -> None:
        self._storage.append(FILE, f"{self._begin}{sample.to_json()}\n".encode())
        self._storage.flush()
        self._begin = ""
        self._kept[sample.row, sample.index] = sample


def sample_model(
    recipe: EvaluationRecipe,
    row: str,
    ideator: CheckpointIdeator,
    kept: SampleFile,
    show: Callable[[], None],
    shown: Sequence[Executed] = (),
) -> None:
    """Adds the samples of a model that are missing, its prompt with the ideas of `shown`; calls
    `show` for each."""
    indices = kept.missing(row, recipe.n)
    seeds = [sample_seed(recipe.seed, index) for index in indices]
    ideator.model.load()
    begun = time.monotonic()
    for place, (text, meta) in ideator.sample(seeds, shown):
        now = time.monotonic()
        kept.add(Sample(row, indices[place], text, seconds=round(now - begun, 4), **meta))
        begun = now
        show()


async def sample_ideator(
    recipe: EvaluationRecipe,
    row: str,
    ideator: Ideator,
    kept: SampleFile,
    show: Callable[[], None],
) -> None:
    """Adds the missing samples of an ideator that is asked for all of them in one request, and
    closes it; calls `show` for each.

    Asked again after a kill, it repeats itself, a language model by its journal. Raises what the
    ideator does.
    """
    missing = set(kept.missing(row, recipe.n))
    request = IdeaRequest("sample", recipe.n, (), (), math.nan, Random(f"{recipe.seed}/{row}"))
    index, begun = 0, time.monotonic()
    try:
        async for batch in ideator.propose(request):
            seconds = round((time.monotonic() - begun) / max(1, len(batch)), 4)
            for new in batch:
                if index in missing:
                    title, cost = str(new.meta.get("title", "")), new.meta.get("cost")
                    cost = float(cost) if isinstance(cost, int | float) else None
                    sample = Sample(row, index, new.text, title, seconds=seconds, cost=cost)
                    await in_thread(kept.add, sample)
                    show()
                index += 1
            begun = time.monotonic()
    finally:
        await ideator.close()


def sample_library(recipe: EvaluationRecipe, problem: Problem, kept: SampleFile) -> None:
    """Adds the samples of the library, which proposes nothing twice: `n`, or as many as it has."""
    if not problem.library.is_file() or not kept.missing(LIBRARY_ROW, recipe.n):
        return
    ideator = LibraryIdeator(load_library(problem.library))
    rng = Random(f"{recipe.seed}/{LIBRARY_ROW}")
    request = IdeaRequest("sample", recipe.n, (), (), math.nan, rng)
    for index, new in enumerate(asyncio.run(propose_all(ideator, request))):
        kept.add(Sample(LIBRARY_ROW, index, new.text, title=str(new.meta["title"])))


def sample_seed(seed: int, index: int) -> int:
    """63 bits, the same for every model."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:8]) >> 1
