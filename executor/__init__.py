"""The executor: turns a batch of ideas into measured outcomes. It can be used alone.

from executor import Executor, Idea, load_problem

with Executor(load_problem("path/to/problem"), store="store") as executor:
    for outcome in executor.as_completed(ideas):
        print(outcome.idea_id, outcome.status, outcome.reward)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from executor.errors import ProblemError, StoreError, UserError
    from executor.executor import Executor
    from executor.implementer.implementer import Implementer
    from executor.problem.problem import Problem, load_problem
    from executor.records import Idea, Implementation, Outcome
    from executor.scheduler import Workers
    from executor.store.runs import Store

__all__ = [
    "Executor",
    "Idea",
    "Implementation",
    "Implementer",
    "Outcome",
    "Problem",
    "ProblemError",
    "Store",
    "StoreError",
    "UserError",
    "Workers",
    "load_problem",
]

_HOMES = {
    "executor.errors": ("ProblemError", "StoreError", "UserError"),
    "executor.problem.problem": ("Problem", "load_problem"),
    "executor.implementer.implementer": ("Implementer",),
    "executor.records": ("Idea", "Implementation", "Outcome"),
    "executor.scheduler": ("Workers",),
    "executor.executor": ("Executor",),
    "executor.store.runs": ("Store",),
}


def __getattr__(name: str) -> object:
    """Imports a name when it is first used: a slot's process needs few and must start fast."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
