"""Splits scikit-learn's bundled digits: 40 images a class to train on, the rest held out.

The file is read without importing scikit-learn, which would take longer than a whole trial.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

TRAIN_PER_CLASS = 40


def prepare(train: Path, held_out: Path, source: str | None = None) -> None:
    """Fills both folders with images.npy (N, 64) float32 of 0..16 and labels.npy (N,) int64."""
    path = Path(source) if source else bundled_digits()
    table_NF = np.loadtxt(path, delimiter=",", ndmin=2)
    if table_NF.shape != (1797, 65):
        raise ValueError(f"{path} is not scikit-learn's digits.csv.gz: its shape is wrong")
    images_ND, labels_N = table_NF[:, :-1].astype(np.float32), table_NF[:, -1].astype(np.int64)

    # A shuffled order, in which the first images of each class are for training.
    order_N = np.random.default_rng(0).permutation(len(labels_N))
    images_ND, labels_N = images_ND[order_N], labels_N[order_N]
    rank_N = np.zeros_like(labels_N)
    for label in range(10):
        rank_N[labels_N == label] = np.arange(np.sum(labels_N == label))

    for_training_N = rank_N < TRAIN_PER_CLASS
    for folder, mask_N in ((train, for_training_N), (held_out, ~for_training_N)):
        np.save(folder / "images.npy", images_ND[mask_N])
        np.save(folder / "labels.npy", labels_N[mask_N])


def hidden() -> list[Path]:
    """Every copy of the table that an installed scikit-learn brings, held-out labels included."""
    tail = "sklearn/datasets/data/digits.csv.gz"
    folders = [*map(Path, sys.path), *Path("/usr").glob("lib*/python3*/*-packages")]
    folders += Path("/usr/local").glob("lib*/python3*/*-packages")
    return [folder / tail for folder in folders if (folder / tail).is_file()]


def bundled_digits() -> Path:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "the digits come with scikit-learn: pip install scikit-learn, or give the path of "
            "its digits.csv.gz as the source"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
