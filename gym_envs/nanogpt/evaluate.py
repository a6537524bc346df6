"""Held-out loss of a language model, in nats a token, examined one token at a time.

The held-out text is cut into fixed windows, spread evenly over it, which the candidate reads in
parallel. It commits to a distribution over the next token of every window before that token is
sent, and the distribution is normalised here: nothing it does can show it an answer early.
"""

import json
from pathlib import Path

import numpy as np


def examine(candidate, held_out: Path) -> dict[str, float]:
    meta = json.loads((held_out / "meta.json").read_text())
    tokens = np.memmap(held_out / "held_out.bin", dtype=meta["dtype"], mode="r")
    nats = []
    for windows_BT in batches(tokens, meta["windows"], meta["window"], meta["batch"]):
        candidate.ask(np.empty(0, np.int64), shape=(0,), dtype="float32")  # new streams
        shape = (len(windows_BT), meta["vocab_size"])
        for t in range(meta["window"]):
            logits_BV = candidate.ask(windows_BT[:, t], shape=shape, dtype="float32")
            nats.append(cross_entropy(logits_BV, windows_BT[:, t + 1]))
    loss = float(np.mean(np.concatenate(nats)))
    return {"loss": loss, "perplexity": float(np.exp(min(loss, 700.0)))}


def batches(tokens: np.ndarray, windows: int, window: int, batch: int) -> list[np.ndarray]:
    """`windows` stretches of window + 1 tokens at even distances, `batch` of them at a time."""
    starts = np.linspace(0, len(tokens) - window - 1, windows).astype(np.int64)
    windows_WT = tokens[starts[:, None] + np.arange(window + 1)].astype(np.int64)
    return [windows_WT[i : i + batch] for i in range(0, windows, batch)]


def cross_entropy(logits_BV: np.ndarray, targets_B: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[target] of each row; double precision, so that no row overflows."""
    shifted_BV = logits_BV.astype(np.float64)
    shifted_BV -= shifted_BV.max(axis=1, keepdims=True)
    log_total_B = np.log(np.exp(shifted_BV).sum(axis=1))
    return log_total_B - shifted_BV[np.arange(len(targets_B)), targets_B]
