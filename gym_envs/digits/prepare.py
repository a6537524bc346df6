"""Scikit-learn's bundled digits, disguised and dealt out by the secret of this machine.

40 images a class are for training, 1000 of the rest are examined, and 397 are kept for the end.
The table is read without importing scikit-learn, which would take longer than a whole trial.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gym_envs.copies import folders_with

from disguise import disguise

TRAIN_PER_CLASS, EXAMINED = 40, 1000
TABLE = "digits.csv.gz"


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    """Fills the folders with images.npy (N, 64) float32 of 0..16 and labels.npy (N,) int64.

    Raises ValueError where the table is not there or is another.
    """
    path = Path(source) if source else bundled_digits()
    table_NF = np.loadtxt(path, delimiter=",", ndmin=2)
    if table_NF.shape != (1797, 65):
        raise ValueError(f"{path} is not scikit-learn's {TABLE}: its shape is wrong")
    images_ND, labels_N = table_NF[:, :-1].astype(np.float32), table_NF[:, -1].astype(np.int64)
    images_ND = disguise(images_ND, drawn_from(secret, "images"))

    # A shuffled order, in which the first images of each class are for training.
    order_N = drawn_from(secret, "order").permutation(len(labels_N))
    images_ND, labels_N = images_ND[order_N], labels_N[order_N]
    rank_N = np.zeros_like(labels_N)
    for label in range(10):
        rank_N[labels_N == label] = np.arange(np.sum(labels_N == label))

    rest_N = np.flatnonzero(rank_N >= TRAIN_PER_CLASS)
    parts = {
        train: np.flatnonzero(rank_N < TRAIN_PER_CLASS),
        held_out: rest_N[:EXAMINED],
        final: rest_N[EXAMINED:],
    }
    for folder, part_N in parts.items():
        np.save(folder / "images.npy", images_ND[part_N])
        np.save(folder / "labels.npy", labels_N[part_N])


def hidden(visible: Sequence[Path]) -> list[Path]:
    """Every copy of the table that an installed scikit-learn brings: disguised or not, whoever has
    all of its labels knows more of digits than 400 images tell."""
    return [folder / TABLE for folder in folders_with({TABLE}, visible, package="sklearn")]


def drawn_from(secret: str, what: str) -> np.random.Generator:
    return np.random.default_rng(list(f"{secret} {what}".encode()))


def bundled_digits() -> Path:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "the digits come with scikit-learn: pip install scikit-learn, or give the path of "
            f"its {TABLE} as the source"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / TABLE
