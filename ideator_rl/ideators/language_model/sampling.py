"""Sampling from a causal language model of transformers: a batch in, each answer out when it ends.

    asked = [Asked(prompt, limit=448, seed=seed) for seed in range(64)]
    for row, tokens, log_probs in sample(model, asked, stop={eos}, pad=0):
        ...                                   # in the order in which answers end

What a row draws depends on its own seed only, not on its neighbours in the batch. `log_probs` are
those of the distribution that was drawn from, at the temperature asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Asked(NamedTuple):
    """What one answer is wanted to: a prompt's tokens, and how the answer is drawn, of at most
    `limit` tokens."""

    prompt: Sequence[int]
    limit: int
    seed: int


class Sampled(NamedTuple):
    """An answer: its row, its tokens with the one that ended it, their log-probabilities."""

    row: int
    tokens: list[int]
    log_probs: list[float]


def sample(
    model: PreTrainedModel,
    asked: Sequence[Asked],
    *,
    stop: Collection[int],
    pad: int,
    temperature: float = 1.0,
) -> Iterator[Sampled]:
    """Draws one answer each; temperature 0 is greedy."""
    import torch

    with torch.inference_mode():
        device = model.device
        rows = list(range(len(asked)))
        longest = max(len(prompt) for prompt, _, _ in asked)
        most = max(limit for _, limit, _ in asked)
        ids_BT = torch.full((len(rows), longest), pad, device=device)
        mask_BT = torch.zeros_like(ids_BT)
        # One uniform number a token, drawn ahead: a row's draws are its own.
        uniform_BL = torch.empty(len(rows), most, dtype=torch.float64, device=device)
        for row, (prompt, _, seed) in enumerate(asked):
            ids_BT[row, longest - len(prompt) :] = torch.tensor(prompt, device=device)
            mask_BT[row, longest - len(prompt) :] = 1
            generator = torch.Generator().manual_seed(seed)
            uniform_BL[row] = torch.rand(most, generator=generator, dtype=torch.float64)
        tokens: list[list[int]] = [[] for _ in rows]
        log_probs: list[list[float]] = [[] for _ in rows]
        cache, positions_BT = None, (mask_BT.cumsum(1) - 1).clamp(min=0)

        for step in range(most):
            output = model(
                input_ids=ids_BT,
                attention_mask=mask_BT,
                position_ids=positions_BT,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            logits_BV = output.logits[:, -1].float()
            if temperature > 0:
                log_p_BV = torch.log_softmax(logits_BV / temperature, -1)
                total_BV = log_p_BV.double().exp().cumsum(-1)
                drawn_B1 = uniform_BL[:, step : step + 1] * total_BV[:, -1:]
                next_B1 = torch.searchsorted(total_BV, drawn_B1, right=True)
                next_B1 = next_B1.clamp(max=logits_BV.shape[-1] - 1)
            else:
                log_p_BV = torch.log_softmax(logits_BV, -1)
                next_B1 = logits_BV.argmax(-1, keepdim=True)
            chosen = zip(
                next_B1[:, 0].tolist(), log_p_BV.gather(1, next_B1)[:, 0].tolist(), strict=True
            )

            kept = []
            for place, (token, log_p) in enumerate(chosen):
                row = rows[place]
                tokens[row].append(token)
                log_probs[row].append(log_p)
                if token in stop or len(tokens[row]) >= asked[row].limit:
                    yield Sampled(row, tokens[row], log_probs[row])
                else:
                    kept.append(place)
            if not kept:
                return
            if len(kept) < len(rows):
                # Rows that have ended are taken out, so that the rest runs faster.
                index_K = torch.tensor(kept, device=device)
                cache.batch_select_indices(index_K)
                rows = [rows[place] for place in kept]
                next_B1, mask_BT = next_B1[index_K], mask_BT[index_K]
                positions_BT, uniform_BL = positions_BT[index_K], uniform_BL[index_K]
            ids_BT = next_B1
            positions_BT = positions_BT[:, -1:] + 1
            mask_BT = torch.cat([mask_BT, torch.ones_like(next_B1)], 1)
