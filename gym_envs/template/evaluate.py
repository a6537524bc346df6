"""Examines a candidate: it is asked about the held-out points, and their values stay here.

examine() returns the metrics, finite numbers by name; problem.toml says which one is the reward.
Raise ValueError with the reason to reject a candidate. ask() checks shape, dtype and finiteness,
and a range if you give it `low` and `high`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from executor.trial.examiner import Candidate


def examine(candidate: Candidate, held_out: Path) -> dict[str, float]:
    x_N, y_N = np.load(held_out / "x.npy"), np.load(held_out / "y.npy")
    answer_N = candidate.ask(x_N, shape=y_N.shape, dtype="float64")
    return {"error": float(np.sqrt(np.mean((answer_N - y_N) ** 2)))}
