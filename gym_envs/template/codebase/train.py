"""Fits a curve through noisy points: random tanh features, then ridge regression.

Contract: reads DATA_DIR and SEED, ends before BUDGET_SECONDS, leaves candidate/ with data files
only. serve.py imports load and predict. Shapes: B points, F features.
"""

import os
from pathlib import Path

import numpy as np
from numpy import ndarray

n_features = 20
steepness = 3.0
ridge = 0.01

Model = dict[str, ndarray]


def features(model: Model, x_B: ndarray) -> ndarray:
    return np.tanh(x_B[:, None] * model["slope_F"] + model["offset_F"])


def fit(rng: np.random.Generator, x_B: ndarray, y_B: ndarray) -> Model:
    slope_F = steepness * rng.standard_normal(n_features)
    model = {"slope_F": slope_F, "offset_F": slope_F * rng.uniform(-1, 1, n_features)}
    features_BF = features(model, x_B)
    gram_FF = features_BF.T @ features_BF + ridge * np.eye(features_BF.shape[1])
    model["weight_F"] = np.linalg.solve(gram_FF, features_BF.T @ y_B)
    return model


def load(folder: Path) -> Model:
    return dict(np.load(folder / "model.npz"))


def predict(model: Model, x_B: ndarray) -> ndarray:
    return features(model, x_B) @ model["weight_F"]


if __name__ == "__main__":
    data = Path(os.environ["DATA_DIR"])
    x_B, y_B = np.load(data / "x.npy"), np.load(data / "y.npy")
    model = fit(np.random.default_rng(int(os.environ["SEED"])), x_B, y_B)

    error = float(np.sqrt(np.mean((predict(model, x_B) - y_B) ** 2)))
    if not np.isfinite(error):
        raise FloatingPointError("the training error is not finite")
    print(f"training error {error:.4f}")

    Path("candidate").mkdir()
    np.savez("candidate/model.npz", **model)
