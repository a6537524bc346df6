"""The forecast: features of an hour and a small network on them, for training and serving alike.

Weights are a dictionary {"centre": (F,), "spread": (F,), "w0": (F, H), "b0": (H,), "w1": ...}.
Shapes: B batch, D columns of a row, F features, H hidden units.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray

Weights = dict[str, ndarray]


class Row(NamedTuple):
    """The columns of an hour, (B,) each."""

    hour: ndarray  # 0..23
    weekday: ndarray  # 0..6, of which 5 and 6 are the weekend
    day_of_year: ndarray  # 0..364
    day: ndarray  # since the first of two years, 0..729
    holiday: ndarray  # 0 or 1
    temperature: ndarray  # in degrees Celsius
    last_6_hours: ndarray  # its mean over the 6 hours before
    last_24_hours: ndarray  # and over the 24 hours before
    sunshine: ndarray  # 0..1 of the strongest sun
    wind: ndarray  # in metres a second


def features(rows_BD: ndarray) -> ndarray:
    """What the first layer sees of each hour, about of size one."""
    row = Row(*rows_BD.T)
    felt = row.temperature
    free = (row.weekday >= 5).astype(np.float32)

    clock = 2 * np.pi * row.hour / 24
    hourly = [np.sin(clock), np.cos(clock)]
    calendar = [free]
    weather = [felt / 10]
    products: list[ndarray] = []
    return np.stack([*hourly, *calendar, *weather, *products], axis=1).astype(np.float32)


def to_target(demand_N: ndarray) -> ndarray:
    """What the network learns to put out for a demand in MW."""
    return demand_N / 1000


def to_demand(output_N: ndarray) -> ndarray:
    """The demand in MW for what the network puts out."""
    return output_N * 1000


def activation(x: ndarray) -> tuple[ndarray, ndarray]:
    """The value and the slope of the nonlinearity of hidden layers, here ReLU."""
    return np.maximum(x, 0), (x > 0).astype(x.dtype)


def forward(weights: Weights, x: ndarray) -> tuple[ndarray, list[ndarray], list[ndarray]]:
    """Outputs (B,), and what the backward pass needs: every layer's input and every slope."""
    inputs, slopes = [], []
    last = sum(name.startswith("w") for name in weights) - 1
    for i in range(last):
        inputs.append(x)
        x, slope = activation(x @ weights[f"w{i}"] + weights[f"b{i}"])
        slopes.append(slope)
    inputs.append(x)
    return (x @ weights[f"w{last}"] + weights[f"b{last}"])[:, 0], inputs, slopes


def load(folder: Path) -> list[Weights]:
    """All networks in the folder: one, unless training saved more."""
    return [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]


def predict(networks: list[Weights], rows_BD: ndarray) -> ndarray:
    """The demand of each hour in MW, by the networks' mean output."""
    x_BF = features(rows_BD)
    outputs = [forward(w, (x_BF - w["centre"]) / w["spread"])[0] for w in networks]
    return to_demand(np.mean(outputs, axis=0))
