"""Winners of one problem on another that shares its codebase: `confirm: {as: nanogpt-speedrun}`.

    other = open_other(recipe, problem)              # None where the recipe names no other problem
    carried(files, problem, other)                   # the winner's codebase, as the other's

Two problems share a codebase where their files are the same but for the hyperparameters that each
sets, and where ideas may edit the same of them. A hyperparameter that differs between the two and
that the winner has left alone becomes the other's; what the winner changed stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from executor import Problem
from executor.edits import EditError, set_assignments
from executor.edits.assignments import find_place
from executor.edits.paths import is_editable
from executor.errors import UserError
from executor.workers.local import local_slots
from gym_envs import find_problem
from ideator_rl.recipe.recipe import SearchRecipe
from ideator_rl.recipe.sections import ConfirmSettings, LocalWorkersSettings


def open_other(recipe: SearchRecipe, problem: Problem) -> Problem | None:
    """The problem that winners are confirmed as, if the recipe names one. Raises UserError where it
    cannot be: another codebase, or more GPUs than there are."""
    if recipe.confirm.other is None:
        return None
    other = find_problem(recipe.confirm.other, recipe.confirm.problem)
    if why := difference(problem, other):
        raise UserError(
            f"confirm.as: {other.name} does not share the codebase of {problem.name}: {why}; name "
            "a problem that does, or none (--confirm.as null)"
        )
    if isinstance(recipe.executor.workers, LocalWorkersSettings | None):
        needs = other.file.resources
        try:
            local_slots(recipe.executor.slots, needs.cpus, needs.gpus)
        except UserError as error:
            raise UserError(f"confirm.as: {other.name}: {error}") from None
    return other


def difference(problem: Problem, other: Problem) -> str:
    """Why two problems do not share a codebase, in words; empty where they do."""
    for key in ("editable", "frozen"):
        mine, others = (set(getattr(p.file.files, key)) for p in (problem, other))
        if mine != others:
            return f"files.{key} differ ({', '.join(sorted(mine ^ others))})"
    names = _hyperparameters(problem, other)
    for name in names:
        if not all(_value(p.codebase, name, p) for p in (problem, other)):
            return f"{name} is no setting of both"
    ours, theirs = (
        set_assignments(p.codebase, dict.fromkeys(names, 0), p.file.files.editable)
        for p in (problem, other)
    )
    differ = [path for path in sorted({*ours, *theirs}) if ours.get(path) != theirs.get(path)]
    return f"{', '.join(differ)} differ{'s' if len(differ) == 1 else ''}" if differ else ""


def carried(files: Mapping[str, str], problem: Problem, other: Problem) -> dict[str, str]:
    """A codebase patched for `problem`, with the hyperparameters of `other`."""
    after = dict(files)
    for name in _hyperparameters(problem, other):
        before, wanted = (
            _value(problem.codebase, name, problem),
            _value(other.codebase, name, other),
        )
        if before != wanted and _value(after, name, problem) == before:
            # Written as a Python literal that was read from one.
            after = set_assignments(after, {name: wanted[0]}, problem.file.files.editable)
    return after


def other_recipe(recipe: SearchRecipe, other: Problem) -> SearchRecipe:
    """The recipe of the run that has these trials: beside the search's own, in the same store."""
    return replace(
        recipe,
        env=str(recipe.confirm.other),
        run=f"{recipe.run}-as-{other.name}",
        problem=recipe.confirm.problem,
        # The codebases are there; what may run them does not change by that.
        executor=replace(recipe.executor, sandbox=recipe.sandbox),
        confirm=ConfirmSettings(recipe.confirm.top, recipe.confirm.seeds),
    )


def _hyperparameters(problem: Problem, other: Problem) -> list[str]:
    return sorted({*problem.file.hyperparameters, *other.file.hyperparameters})


def _value(files: Mapping[str, str], name: str, problem: Problem) -> tuple[object, ...]:
    """The value that a name is assigned, boxed and with its type; empty where that is not clear."""
    editable = problem.file.files.editable
    try:
        found = find_place(files, name, [p for p in sorted(files) if is_editable(p, editable)])
    except EditError:
        return ()
    return (found[1].value, type(found[1].value)) if found else ()
