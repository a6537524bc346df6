"""The paper's nanogpt baseline as the facts have it, in forty lines, with none of our code."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def norm(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()


def attend(x: Tensor, qkv: Tensor, out: Tensor, heads: int) -> Tensor:
    size = x.shape[1]
    q, k, v = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (x @ qkv.T).chunk(3, 2))
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores = scores.masked_fill(torch.ones(size, size).triu(1).bool(), -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2) @ out.T


def loss_of(w: dict, x: Tensor, y: Tensor, heads: int) -> Tensor:
    h = w["tokens"][x] + w["positions"][: x.shape[1]]
    for qkv, out, up, down in w["layers"]:
        h = h + attend(norm(h), qkv, out, heads) / (2 * len(w["layers"])) ** 0.5
        up_h = norm(h) @ up.T
        h = h + (up_h * 0.5 * (1 + (up_h / 2**0.5).erf())) @ down.T
    logits = norm(h) @ w["tokens"].T
    return -logits.log_softmax(-1).gather(-1, y[..., None]).mean()


def learning_rate(step: int, peak: float, warmup: int, end: int) -> float:
    r = (step - warmup) / (end - warmup)
    return peak * min((step + 1) / warmup, (0.1 + (1 - r)) / 1.1)


def curve(
    w: dict, row: Tensor, batch: int, heads: int, peak: float, warmup: int, end: int
) -> Iterator[float]:
    """The loss of each step, on the tokens of a row in their order."""
    parameters = [w["tokens"], w["positions"], *(m for layer in w["layers"] for m in layer)]
    adamw = torch.optim.AdamW(parameters, betas=(0.9, 0.95), weight_decay=0.1)
    size = batch * len(w["positions"])
    for step in range(end):
        stretch = row[step * size : (step + 1) * size + 1]
        x, y = stretch[:-1].view(batch, -1), stretch[1:].view(batch, -1)
        adamw.param_groups[0]["lr"] = learning_rate(step, peak, warmup, end)
        adamw.zero_grad()
        loss = loss_of(w, x, y, heads)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adamw.step()
        yield loss.item()
