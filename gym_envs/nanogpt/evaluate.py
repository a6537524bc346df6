"""Held-out loss of a language model, in nats a token, examined one token at a time.

The examination takes windows of the held-out text, which start where the secret of the machine says
(`starts.npy`) and which the candidate reads in parallel. It commits to a distribution over the next
token of every window before that token is sent, and the distribution is normalised here: nothing it
does can show it an answer early.

At full size an answer is 1,024 streams of 50,304 logits, and all of them are a terabyte in 16 bits.
They come through shared memory and, where there is a GPU, are scored on it, from a copy that is
whole before the next token is sent.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Ask = Callable[..., np.ndarray]


def examine(candidate, held_out: Path) -> dict[str, float]:
    meta = json.loads((held_out / "meta.json").read_text())
    tokens = np.memmap(held_out / "held_out.bin", dtype=meta["dtype"], mode="r")
    dtype = meta.get("logits", "float32")
    ask = ask_with_numpy
    if dtype == "float16" and (device := find_gpu()):
        ask = ask_with_torch(meta["batch"], meta["vocab_size"], device)
    nats = []
    starts = np.load(held_out / "starts.npy")
    for windows_BT in batches(tokens, starts, meta["window"], meta["batch"]):
        candidate.ask(np.empty(0, dtype), shape=(0,), dtype=dtype)  # new streams
        shape = (len(windows_BT), meta["vocab_size"])
        for t in range(meta["window"]):
            nats.append(ask(candidate, windows_BT[:, t], windows_BT[:, t + 1], shape, dtype))
    loss = float(np.mean(np.concatenate(nats)))
    return {"loss": loss, "perplexity": float(np.exp(min(loss, 700.0)))}


def batches(
    tokens: np.ndarray, starts: np.ndarray, window: int, batch: int
) -> Iterator[np.ndarray]:
    """Stretches of window + 1 tokens from each start on, `batch` of them at a time."""
    for first in range(0, len(starts), batch):
        places_BT = starts[first : first + batch, None] + np.arange(window + 1)
        yield tokens[places_BT].astype(np.int64)


def ask_with_numpy(candidate, tokens_B, targets_B, shape, dtype) -> np.ndarray:
    return cross_entropy(candidate.ask(tokens_B, shape=shape, dtype=dtype), targets_B)


def cross_entropy(logits_BV: np.ndarray, targets_B: np.ndarray) -> np.ndarray:
    """-log softmax(logits)[target] of each row; double precision, so that no row overflows."""
    shifted_BV = logits_BV.astype(np.float64)
    shifted_BV -= shifted_BV.max(axis=1, keepdims=True)
    log_total_B = np.log(np.exp(shifted_BV).sum(axis=1))
    return log_total_B - shifted_BV[np.arange(len(targets_B)), targets_B]


def find_gpu() -> str:
    """Where to score; empty where NumPy has to."""
    import torch

    return "cuda" if torch.cuda.is_available() else ""


def ask_with_torch(batch: int, vocab_size: int, device: str) -> Ask:
    """As ask_with_numpy, in single precision on `device`."""
    import torch

    gpu = device != "cpu"
    landing_BV = torch.empty(batch, vocab_size, dtype=torch.float16, pin_memory=gpu)

    def ask(candidate, tokens_B, targets_B, shape, dtype) -> np.ndarray:
        out_BV = landing_BV[: shape[0]]
        candidate.ask(tokens_B, shape=shape, dtype=dtype, out=out_BV.numpy())
        logits_BV = out_BV.to(device).float()
        targets_B = torch.from_numpy(targets_B).to(device)
        if not torch.isfinite(logits_BV).all():
            raise ValueError("the candidate answered with a number that is not finite")
        return (
            torch.nn.functional.cross_entropy(logits_BV, targets_B, reduction="none").cpu().numpy()
        )

    return ask
