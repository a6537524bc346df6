"""Fit the hourly demand of a grid by plain SGD on a linear model, for a fixed number of epochs.

Reads DATA_DIR (rows.npy, demand.npy) and SEED, leaves candidate/*.npz for serve.py.
It is killed after BUDGET_SECONDS of CPU time, imports apart; the baseline takes a twentieth.
Shapes: N training hours, B batch, D columns of a row, F features.
"""

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy import ndarray

from model import Weights, features, forward, to_target


@dataclass(frozen=True)
class Config:
    hidden_size: int = 8
    hidden_layers: int = 0  # none: a linear model
    init_scale: float = 0.1  # times 1/sqrt(fan-in)
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 0.01
    weight_decay: float = 0.0


def initialise(config: Config, rng: np.random.Generator, inputs: int) -> Weights:
    sizes = [inputs] + [config.hidden_size] * config.hidden_layers + [1]
    weights = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        scale = config.init_scale / np.sqrt(fan_in)
        weights[f"w{i}"] = scale * rng.standard_normal((fan_in, fan_out), dtype=np.float32)
        weights[f"b{i}"] = np.zeros(fan_out, dtype=np.float32)
    return weights


def believed(demand_N: ndarray) -> ndarray:
    """Which of the measured hours training believes: all of them."""
    believed_N = np.isfinite(demand_N)
    return believed_N


def scaling(x_NF: ndarray) -> tuple[ndarray, ndarray]:
    """What is taken from each feature, and by what it is divided then."""
    return np.zeros_like(x_NF[0]), np.ones_like(x_NF[0])


def loss_and_gradients(
    weights: Weights, x: ndarray, target_B: ndarray, weight_B: ndarray
) -> tuple[float, Weights]:
    """Half the mean squared error, and its gradient by hand: from the outputs back."""
    output_B, inputs, slopes = forward(weights, x)
    error_B = output_B - target_B
    loss = float(weight_B @ error_B**2) / 2 / len(x)

    gradients = {}
    delta = (weight_B * error_B / len(x))[:, None]
    for i in reversed(range(len(inputs))):
        gradients[f"w{i}"] = inputs[i].T @ delta
        gradients[f"b{i}"] = delta.sum(axis=0)
        if i > 0:
            delta = delta @ weights[f"w{i}"].T * slopes[i - 1]
    return loss, gradients


def train(config: Config, rng: np.random.Generator, rows_ND: ndarray, demand_N: ndarray) -> Weights:
    believed_N = believed(demand_N)
    rows_ND, demand_N = rows_ND[believed_N], demand_N[believed_N]
    x_NF, target_N = features(rows_ND), to_target(demand_N)
    weight_N = np.ones_like(target_N)
    centre, spread = scaling(x_NF)
    x_NF = (x_NF - centre) / spread
    weights = initialise(config, rng, x_NF.shape[1])
    weights[f"b{config.hidden_layers}"] += target_N.mean()

    for epoch in range(config.epochs):
        step_size = config.learning_rate
        order_N = rng.permutation(len(target_N))
        losses = []
        for start in range(0, len(order_N), config.batch_size):
            batch_B = order_N[start : start + config.batch_size]
            x_BF, target_B = x_NF[batch_B], target_N[batch_B]

            loss, gradients = loss_and_gradients(weights, x_BF, target_B, weight_N[batch_B])
            losses.append(loss)
            for name, gradient in gradients.items():
                weights[name] *= 1 - step_size * config.weight_decay
                weights[name] -= step_size * gradient

        if not np.isfinite(losses).all():
            raise FloatingPointError(f"the loss is not finite in epoch {epoch}")
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1} loss {np.mean(losses):.4f}", flush=True)
    return weights | {"centre": centre, "spread": spread}


if __name__ == "__main__":
    config = Config()
    rng = np.random.default_rng(int(os.environ["SEED"]))
    data = Path(os.environ["DATA_DIR"])
    rows_ND, demand_N = np.load(data / "rows.npy"), np.load(data / "demand.npy")

    candidate = Path("candidate")
    candidate.mkdir()
    np.savez(candidate / "network.npz", **train(config, rng, rows_ND, demand_N))
