"""Makes the data: `train` is all that training sees, `held_out` is for evaluate.py alone.

Must be deterministic. `source` is what a user may give to `envs prepare --source`, for example the
path of a file; for an error that the user can mend, raise ValueError with one line that says how.
If the held-out data can be read elsewhere among the system's or the interpreter's files, add
`hidden() -> list[Path]`: the sandbox covers what it names.
"""

from pathlib import Path

import numpy as np


def prepare(train: Path, held_out: Path, source: str | None = None) -> None:
    rng = np.random.default_rng(0)
    x_N = rng.uniform(-1, 1, 200)
    write(train, x_N, curve(x_N) + 0.1 * rng.standard_normal(len(x_N)))
    x_N = rng.uniform(-1, 1, 1000)
    write(held_out, x_N, curve(x_N))


def curve(x_N: np.ndarray) -> np.ndarray:
    return np.sin(4 * x_N) + 0.5 * np.sin(15 * x_N**2)


def write(folder: Path, x_N: np.ndarray, y_N: np.ndarray) -> None:
    np.save(folder / "x.npy", x_N)
    np.save(folder / "y.npy", y_N)
