"""Objectives of installed packages, by the entry-point group `ideator_rl.objectives`.

[project.entry-points."ideator_rl.objectives"]      # in the package's pyproject.toml
best_only = "my_package:best_only"

def best_only(group, *, weight=1.0):                 # my_package/__init__.py
    return weight * (group.rewards_N == group.rewards_N.max())

objective: {kind: plugin, name: best_only, options: {weight: 2.0}}      # in a recipe
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from executor.errors import UserError

GROUP = "ideator_rl.objectives"


def plugin(name: str) -> Callable[..., Any]:
    """The function behind an entry point: a `Group` and options in, advantages out.

    Raises UserError where there is none, or where it cannot be imported.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none is"
        raise UserError(f"objective.name: no objective {name!r:.80} is installed; there: {known}")
    try:
        objective = found[name].load()
    except Exception as error:  # whatever a package does when it is imported
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"objective.name: {name} cannot be imported: {why}") from error
    if not callable(objective):
        raise UserError(f"objective.name: {name} is no function")
    return objective
