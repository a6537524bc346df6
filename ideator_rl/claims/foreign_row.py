"""A row of somebody else's data set: which of its columns are known here, and of which type.

    >>> row = parse_row({"idea": "[Experiment] …", "epoch": 2.0, "result": '{"accuracy": 0.93}'})
    >>> row.epoch, metrics_of(row.result)
    (2, {'accuracy': 0.93})

The names of `ideator-rl export` are known, those of the paper's trajectories, and a few that others
use for the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from executor.settings import Settings, convert
from executor.text.outside_text import clean_line

# The names of a column elsewhere, the better ones first, by ours.
NAMES: Mapping[str, tuple[str, ...]] = {
    "idea": ("idea", "text"),
    "id": ("id", "idea_id"),
    "run": ("run",),
    "env": ("env", "environment", "problem"),
    "problem_version": ("problem_version",),
    "thinking": ("thinking", "reasoning"),
    "parents": ("parents",),
    "epoch": ("epoch",),
    "ideator_model": ("ideator_model",),
    "executor_model": ("executor_model",),
    "code_diff": ("code_diff", "diff"),
    "status": ("status",),
    "result": ("result", "metrics"),
    "reward": ("reward",),
}
KNOWN_NAMES = frozenset(name for names in NAMES.values() for name in names)
_MOST_METRICS, _LONGEST_NAME = 100, 200


class ForeignRow(Settings, frozen=True):
    """A row under our names; None is what the set does not say."""

    idea: str
    id: str | int | None = None
    run: str | None = None
    env: str | None = None
    problem_version: str | None = None
    thinking: str | None = None
    parents: list[str | int] | None = None
    epoch: int | None = None
    ideator_model: str | None = None
    executor_model: str | None = None
    code_diff: str | None = None
    status: str | None = None
    result: Any = None
    reward: float | None = None


def parse_row(raw: Mapping[str, Any]) -> ForeignRow:
    """Reads a row. Raises FieldError naming the column that is missing or of another type."""
    row = {ours: raw[n] for ours, names in NAMES.items() for n in reversed(names) if n in raw}
    # Whole numbers become floats where a table has met a null.
    if isinstance(row.get("epoch"), float) and row["epoch"].is_integer():
        row["epoch"] = int(row["epoch"])
    return convert(row, ForeignRow)


def missing_columns(rows: Sequence[ForeignRow]) -> list[str]:
    """Our names of what no row says."""
    return [name for name in NAMES if all(getattr(row, name) is None for row in rows)]


def metrics_of(result: Any) -> dict[str, float]:
    """The numbers of a result, which may come as a mapping, as the text of a JSON object, or as one
    number; empty for anything else."""
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except (ValueError, RecursionError):
            return {}
    if _is_number(result):
        result = {"value": result}
    items = list(result.items())[:_MOST_METRICS] if isinstance(result, dict) else []
    return {
        clean_line(str(name), _LONGEST_NAME): float(value)
        for name, value in items
        if _is_number(value)
    }


def _is_number(value: object) -> bool:
    # The comparison refuses infinity and NaN.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
