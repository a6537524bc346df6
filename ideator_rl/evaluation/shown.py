"""The earlier ideas that every prompt of an evaluation shows: chosen once, and kept beside the
results, so that the same evaluation again asks the same."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from executor import Problem, Store
from executor.errors import UserError
from executor.run_records import read_start
from executor.store.decisions import read_record, write_record
from executor.store.storage import Storage
from ideator_rl.evaluation.recipe import EvaluationRecipe
from ideator_rl.ideators.archive import Archive, ShownIdeas, times_built_on
from ideator_rl.ideators.archive_prompts import choose
from ideator_rl.ideators.ideator import Executed
from ideator_rl.run_parts import on_problem

FILE = "prompts.json"


def shown_ideas(recipe: EvaluationRecipe, problem: Problem, out: Storage) -> list[Executed]:
    """What matters most first; none where prompts are fixed. Raises UserError."""
    if recipe.archive is None:
        return []
    store, _, name = recipe.archive.rstrip("/").rpartition("/runs/")
    run = on_problem(Store(store).run(name), problem.name)
    start = read_start(run)
    if start is None or (start.problem, start.version) != (problem.name, problem.version):
        raise UserError(
            f"archive: {recipe.archive} is no run of this version of {problem.name}, so that its "
            "rewards tell nothing here; name another one"
        )
    archive = Archive(run)
    archive.read()
    kept = read_record(out, FILE, ShownIdeas)
    if kept is None:
        ideas = list(archive.ideas.values())
        rng = Random(f"{recipe.seed}/{FILE}")
        return choose(recipe.prompts, ideas, times_built_on(ideas), rng)
    if lost := [name for name in kept.ideas if name not in archive.ideas]:
        raise UserError(f"archive: {recipe.archive} has lost {lost[0]}, which prompts show")
    return [archive.ideas[name] for name in kept.ideas]


def keep_shown(out: Storage, shown: Sequence[Executed]) -> None:
    """Keeps what was chosen, for the next time."""
    if shown and read_record(out, FILE, ShownIdeas) is None:
        write_record(out, FILE, ShownIdeas(tuple(entry.idea.id for entry in shown)))
