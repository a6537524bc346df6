"""Two years of a small grid that never was: its weather, its people, its meters, by the secret.

Of 17,520 hours 4,000 are for training, 4,000 are examined and 4,000 are kept for the end, all drawn
at random. The meters of the training hours are faulty at times; those of the others never are.
"""

from pathlib import Path

import numpy as np

from grid import demand_of
from weather import two_years

ROWS = 4000
SPIKES, DROPOUTS, STUCK = 0.03, 0.03, 0.05  # shares of the training rows


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    """Fills the folders with rows.npy (N, 10) float32, in the order of `weather.COLUMNS`, and
    demand.npy (N,) float32 in MW."""
    rows_ND = two_years(drawn_from(secret, "weather"))
    demand_N = demand_of(rows_ND, drawn_from(secret, "grid"))

    order_N = drawn_from(secret, "order").permutation(len(demand_N))
    for place, folder in enumerate((train, held_out, final)):
        part_N = order_N[place * ROWS : (place + 1) * ROWS]
        measured_N = demand_N[part_N]
        if folder == train:
            measured_N = with_faults(measured_N, drawn_from(secret, "meters"))
        np.save(folder / "rows.npy", rows_ND[part_N].astype(np.float32))
        np.save(folder / "demand.npy", measured_N.astype(np.float32))


def with_faults(demand_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spikes of a multiple, dropouts to almost nothing, and meters that are stuck at a value."""
    kind_N = rng.random(len(demand_N))
    spike_N = kind_N < SPIKES
    dropout_N = (kind_N >= SPIKES) & (kind_N < SPIKES + DROPOUTS)
    stuck_N = kind_N > 1 - STUCK
    stuck_at = rng.choice(np.sort(demand_N)[len(demand_N) // 2 :], 8)
    measured_N = np.where(spike_N, demand_N * rng.uniform(2, 5, len(demand_N)), demand_N)
    measured_N = np.where(dropout_N, demand_N * rng.uniform(0.02, 0.2, len(demand_N)), measured_N)
    return np.where(stuck_N, rng.choice(stuck_at, len(demand_N)), measured_N)


def drawn_from(secret: str, what: str) -> np.random.Generator:
    return np.random.default_rng(list(f"{secret} {what}".encode()))
