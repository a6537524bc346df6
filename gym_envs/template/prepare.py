"""Makes the data: `train` is all that training sees, the others are for evaluate.py alone.

`held_out` is examined in every trial, `final` only when a search ends, to tell what the search has
learnt of `held_out`. `secret` is a text that this machine drew once: draw from it whatever an idea
must not know in advance, since this file is no secret. Must be deterministic. `source` is what a
user may give to `envs prepare --source`, for example the path of a file; for an error that the user
can mend, raise ValueError with one line that says how. If the held-out data can be read elsewhere
among the system's or the interpreter's files, add `hidden() -> list[Path]`: the sandbox covers what
it names.
"""

from pathlib import Path

import numpy as np


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    rng = np.random.default_rng(list(secret.encode()))
    shifts = rng.uniform(-0.3, 0.3, 2)
    x_N = rng.uniform(-1, 1, 200)
    write(train, x_N, curve(x_N, shifts) + 0.1 * rng.standard_normal(len(x_N)))
    for folder in (held_out, final):
        x_N = rng.uniform(-1, 1, 1000)
        write(folder, x_N, curve(x_N, shifts))


def curve(x_N: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    return np.sin(4 * x_N + shifts[0]) + 0.5 * np.sin(15 * x_N**2 + shifts[1])


def write(folder: Path, x_N: np.ndarray, y_N: np.ndarray) -> None:
    np.save(folder / "x.npy", x_N)
    np.save(folder / "y.npy", y_N)
