"""The executor: turns a batch of ideas into measured outcomes. It can be used alone.

from executor import Executor, Idea, load_problem

with Executor(load_problem("path/to/problem"), store="store") as executor:
    for outcome in executor.as_completed(ideas):
        print(outcome.idea_id, outcome.status, outcome.reward)
"""

from executor.errors import ProblemError, StoreError, UserError
from executor.problem import Problem, load_problem
from executor.records import Idea, Outcome
from executor.service import Executor
from executor.store import Store

__all__ = [
    "Executor",
    "Idea",
    "Outcome",
    "Problem",
    "ProblemError",
    "Store",
    "StoreError",
    "UserError",
    "load_problem",
]
