"""Examines a forecaster on held-out hours: it is asked their rows only, the demand stays here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from executor.trial.examiner import Candidate

BATCH = 1000


def examine(candidate: Candidate, held_out: Path) -> dict[str, float]:
    rows_ND, demand_N = np.load(held_out / "rows.npy"), np.load(held_out / "demand.npy")
    forecast_N = np.empty(len(demand_N))
    for start in range(0, len(demand_N), BATCH):
        rows_BD = rows_ND[start : start + BATCH]
        forecast_N[start : start + BATCH] = candidate.ask(
            rows_BD, shape=(len(rows_BD),), dtype="float64"
        )
    return {"r2": explained(demand_N.astype(np.float64), forecast_N)}


def explained(demand_N: np.ndarray, forecast_N: np.ndarray) -> float:
    """The share of the demand's variance that a forecast explains; a useless one explains 0."""
    # No forecast is wrong by more than the grid can carry, or one of them would decide alone.
    forecast_N = np.clip(forecast_N, 0, 2 * demand_N.max())
    unexplained = np.mean((demand_N - forecast_N) ** 2) / np.var(demand_N)
    return max(0.0, 1 - float(unexplained))
