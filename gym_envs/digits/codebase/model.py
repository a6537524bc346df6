"""The network: a multilayer perceptron in NumPy, used by training and by serving alike.

Weights are a dictionary {"w0": (D, H), "b0": (H,), "w1": ...}, from which the depth follows.
Shapes: B batch, D pixels or features, H hidden, C classes.
"""

from pathlib import Path

import numpy as np
from numpy import ndarray

Weights = dict[str, ndarray]


def preprocess(images_BD: ndarray) -> ndarray:
    """Pixels of 0..16 to what the first layer sees."""
    x_BD = images_BD / 16
    return x_BD


def activation(x: ndarray) -> tuple[ndarray, ndarray]:
    """The value and the slope of the nonlinearity, here ReLU."""
    return np.maximum(x, 0), (x > 0).astype(x.dtype)


def forward(weights: Weights, x: ndarray) -> tuple[ndarray, list[ndarray], list[ndarray]]:
    """Logits, and what the backward pass needs: every layer's input and every slope."""
    inputs, slopes = [], []
    last = len(weights) // 2 - 1
    for i in range(last):
        inputs.append(x)
        x, slope = activation(x @ weights[f"w{i}"] + weights[f"b{i}"])
        slopes.append(slope)
    inputs.append(x)
    return x @ weights[f"w{last}"] + weights[f"b{last}"], inputs, slopes


def softmax(logits_BC: ndarray) -> ndarray:
    exp_BC = np.exp(logits_BC - logits_BC.max(axis=1, keepdims=True))
    return exp_BC / exp_BC.sum(axis=1, keepdims=True)


def load(folder: Path) -> list[Weights]:
    """All networks in the folder: one, unless training saved more."""
    return [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]


def predict(networks: list[Weights], images_BD: ndarray) -> ndarray:
    """The label of each image, by the networks' mean probability."""
    x_BD = preprocess(images_BD)
    probs_KBC = np.stack([softmax(forward(weights, x_BD)[0]) for weights in networks])
    return probs_KBC.mean(axis=0).argmax(axis=1)
