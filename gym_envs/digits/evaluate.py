"""Examines a candidate on the held-out digits: it is asked images only, the labels stay here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from executor.trial.examiner import Candidate

BATCH = 256


def examine(candidate: Candidate, held_out: Path) -> dict[str, float]:
    images_ND, labels_N = np.load(held_out / "images.npy"), np.load(held_out / "labels.npy")
    correct = 0
    for start in range(0, len(labels_N), BATCH):
        images_BD, labels_B = images_ND[start : start + BATCH], labels_N[start : start + BATCH]
        answer_B = candidate.ask(images_BD, shape=labels_B.shape, dtype="int64", low=0, high=9)
        correct += int(np.sum(answer_B == labels_B))
    return {"accuracy": correct / len(labels_N)}
