"""Train a small network on 400 handwritten digits with plain SGD, for a fixed number of epochs.

Reads DATA_DIR (images.npy, labels.npy) and SEED, leaves candidate/*.npz for serve.py.
It is killed after BUDGET_SECONDS of CPU time, imports apart; the baseline takes a tenth of that.
Shapes: N training images, B batch, D pixels or features, C classes.
"""

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy import ndarray

from model import Weights, forward, preprocess, softmax


@dataclass(frozen=True)
class Config:
    hidden_size: int = 32
    hidden_layers: int = 1
    init_scale: float = 1.0  # times 1/sqrt(fan-in)
    epochs: int = 200
    batch_size: int = 16
    learning_rate: float = 0.005
    weight_decay: float = 0.0


def initialise(config: Config, rng: np.random.Generator, features: int, classes: int) -> Weights:
    sizes = [features] + [config.hidden_size] * config.hidden_layers + [classes]
    weights = {}
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        scale = config.init_scale / np.sqrt(fan_in)
        weights[f"w{i}"] = scale * rng.standard_normal((fan_in, fan_out), dtype=np.float32)
        weights[f"b{i}"] = np.zeros(fan_out, dtype=np.float32)
    return weights


def loss_and_gradients(weights: Weights, x: ndarray, targets_BC: ndarray) -> tuple[float, Weights]:
    """Mean cross entropy, and its gradient by hand: from the logits back to the pixels."""
    logits_BC, inputs, slopes = forward(weights, x)
    probs_BC = softmax(logits_BC)
    loss = -float(np.sum(targets_BC * np.log(probs_BC + 1e-12))) / len(x)

    gradients = {}
    delta = (probs_BC - targets_BC) / len(x)
    for i in reversed(range(len(inputs))):
        gradients[f"w{i}"] = inputs[i].T @ delta
        gradients[f"b{i}"] = delta.sum(axis=0)
        if i > 0:
            delta = delta @ weights[f"w{i}"].T * slopes[i - 1]
    return loss, gradients


def train(
    config: Config, rng: np.random.Generator, images_ND: ndarray, labels_N: ndarray
) -> Weights:
    targets_NC = np.eye(10, dtype=np.float32)[labels_N]
    features = preprocess(images_ND[:1]).shape[1]
    weights = initialise(config, rng, features, classes=10)

    for epoch in range(config.epochs):
        step_size = config.learning_rate
        order_N = rng.permutation(len(labels_N))
        losses = []
        for start in range(0, len(order_N), config.batch_size):
            batch_B = order_N[start : start + config.batch_size]
            images_BD = images_ND[batch_B]
            targets_BC = targets_NC[batch_B]

            loss, gradients = loss_and_gradients(weights, preprocess(images_BD), targets_BC)
            losses.append(loss)
            for name, gradient in gradients.items():
                weights[name] *= 1 - step_size * config.weight_decay
                weights[name] -= step_size * gradient

        if not np.isfinite(losses).all():
            raise FloatingPointError(f"the loss is not finite in epoch {epoch}")
        if epoch % 50 == 49:
            print(f"epoch {epoch + 1} loss {np.mean(losses):.4f}", flush=True)
    return weights


if __name__ == "__main__":
    config = Config()
    rng = np.random.default_rng(int(os.environ["SEED"]))
    data = Path(os.environ["DATA_DIR"])
    images_ND, labels_N = np.load(data / "images.npy"), np.load(data / "labels.npy")

    candidate = Path("candidate")
    candidate.mkdir()
    np.savez(candidate / "network.npz", **train(config, rng, images_ND, labels_N))
