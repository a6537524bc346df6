"""Tokens to train on and to examine, made in seconds, in the form of nanogpt's prepared data.

    data = make_corpus(folder, Sizes())
    data.train / "train.bin", data.held_out / "starts.npy"

A token is, most of the time, one of the four that may follow the last one, else drawn by Zipf's
law: a model first learns how frequent tokens are, then what follows what, so its loss falls.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from executor.data.prepared import PreparedData

# Shares of fresh tokens, and of the four that may follow.
_FRESH, _FOLLOWERS = 0.3, (0.5, 0.25, 0.15, 0.1)
_BLOCK = 64


@dataclass(frozen=True)
class Sizes:
    """Counts of tokens and windows; by default nanogpt's at full size, with less to train on."""

    vocabulary: int = 50304
    tokens: int = 64_000_000
    streams: int = 4096
    window: int = 1024
    windows: int = 10_240
    batch: int = 1024
    logits: str = "float16"


def make_corpus(folder: Path, sizes: Sizes) -> PreparedData:
    """Writes the folders `train` and `held_out`."""
    rng = np.random.default_rng(0)
    apart = (sizes.windows + 2) * sizes.window + 1
    row = _tokens(rng, sizes, sizes.tokens + apart)
    parts = {"held_out": row[:apart], "train": row[apart:]}
    exam = {"window": sizes.window, "batch": sizes.batch, "logits": sizes.logits}
    for name, tokens in parts.items():
        (folder / name).mkdir(parents=True)
        tokens.tofile(folder / name / f"{name}.bin")
        meta = {
            "dtype": "uint16",
            "vocab_size": sizes.vocabulary,
            "source": "made by benchmarks/gpu.py",
            "tokens": {part: len(values) for part, values in parts.items()},
        }
        meta |= exam if name == "held_out" else {}
        (folder / name / "meta.json").write_text(json.dumps(meta))
    starts = rng.integers(sizes.window) + sizes.window * np.arange(sizes.windows)
    np.save(folder / "held_out" / "starts.npy", rng.permutation(starts))
    make_readable(folder / "train")
    return PreparedData(folder / "train", folder / "held_out", "made by benchmarks/gpu.py")


def make_readable(folder: Path) -> None:
    """As prepared data are: a box has another user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _tokens(rng: np.random.Generator, sizes: Sizes, count: int) -> np.ndarray:
    """A row of `count` tokens: streams of equal lengths, one after the other."""
    steps = -(-count // sizes.streams)
    follows = _zipf(rng, sizes.vocabulary, (sizes.vocabulary, len(_FOLLOWERS)))
    found = np.empty((steps, sizes.streams), np.uint16)
    last = _zipf(rng, sizes.vocabulary, (sizes.streams,))
    for begin in range(0, steps, _BLOCK):
        shape = (min(_BLOCK, steps - begin), sizes.streams)
        fresh = _zipf(rng, sizes.vocabulary, shape)
        is_fresh = rng.random(shape) < _FRESH
        which = np.searchsorted(np.cumsum(_FOLLOWERS[:-1]), rng.random(shape))
        for step in range(shape[0]):
            last = np.where(is_fresh[step], fresh[step], follows[last, which[step]])
            found[begin + step] = last
    return np.ascontiguousarray(found.T).reshape(-1)[:count]


def _zipf(rng: np.random.Generator, vocabulary: int, shape: tuple[int, ...]) -> np.ndarray:
    """Tokens of which the one of rank k is drawn about as often as 1 / k says."""
    return (vocabulary ** rng.random(shape)).astype(np.int32) - 1
