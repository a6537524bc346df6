"""The small policy: a decoder-only transformer of a hundred thousand weights, in plain PyTorch.

    model = TinyGPT(TinyConfig(**json.loads(text)))
    logits_BTV = model(idx_BT)                     # training: all positions at once
    response_BN = model.generate(prompt_BT, ...)   # rollout: token by token, from a cache

Shape suffixes: B sequences, T tokens of a sequence, C channels, H heads, K channels of a head,
V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class TinyConfig:
    characters: str  # the vocabulary; the last one ends a response
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    model_type: str = "tiny_gpt"


class Block(nn.Module):
    def __init__(self, config: TinyConfig):
        super().__init__()
        self.heads = config.n_head
        self.norm1 = nn.LayerNorm(config.n_embd)
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)
        self.norm2 = nn.LayerNorm(config.n_embd)
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd)

    def forward(self, x_BTC, cache=None):
        B, T, C = x_BTC.shape
        qkv_BTC = self.qkv(self.norm1(x_BTC)).split(C, dim=2)
        q_BHTK, k_BHTK, v_BHTK = (
            part.view(B, T, self.heads, -1).transpose(1, 2) for part in qkv_BTC
        )
        if cache:
            k_BHTK = torch.cat([cache["k"], k_BHTK], dim=2)
            v_BHTK = torch.cat([cache["v"], v_BHTK], dim=2)
        if cache is not None:
            cache["k"], cache["v"] = k_BHTK, v_BHTK
        # a prompt is causal; the one query of a later step may see all that is kept
        y_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, is_causal=T > 1)
        x_BTC = x_BTC + self.out(y_BHTK.transpose(1, 2).reshape(B, T, C))
        return x_BTC + self.down(F.gelu(self.up(self.norm2(x_BTC))))


class TinyGPT(nn.Module):
    def __init__(self, config: TinyConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(len(config.characters), config.n_embd)
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.final_norm = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, len(config.characters), bias=False)
        for parameter in self.parameters():
            if parameter.ndim >= 2:
                nn.init.normal_(parameter, std=0.05)

    def forward(self, idx_BT: torch.Tensor, caches=None, start: int = 0) -> torch.Tensor:
        pos_T = torch.arange(start, start + idx_BT.shape[1], device=idx_BT.device)
        x_BTC = self.token_embedding(idx_BT) + self.position_embedding(pos_T)
        for layer, block in enumerate(self.blocks):
            x_BTC = block(x_BTC, caches[layer] if caches else None)
        return self.head(self.final_norm(x_BTC))

    @torch.inference_mode()
    def generate(
        self,
        prompt_BT: torch.Tensor,
        max_new_tokens: int,
        temperature: float,
        generator: torch.Generator,
    ) -> torch.Tensor:
        """Sampled responses (B, max_new_tokens), or the likeliest ones at temperature 0; what
        follows the end of one is ends, too."""
        end = len(self.config.characters) - 1
        response_BN = torch.full((len(prompt_BT), max_new_tokens), end)
        done_B = torch.zeros(len(prompt_BT), dtype=torch.bool)
        caches: list[dict] = [{} for _ in self.blocks]
        idx_BT, start = prompt_BT, 0
        for n in range(max_new_tokens):
            logits_BV = self(idx_BT, caches, start)[:, -1]
            if temperature > 0:
                # the largest of logits plus Gumbel noise is a sample of the softmax
                noise_BV = -torch.empty_like(logits_BV).exponential_(generator=generator).log()
                logits_BV = logits_BV / temperature + noise_BV
            token_B = logits_BV.argmax(dim=1)
            response_BN[:, n] = torch.where(done_B, end, token_B)
            done_B |= token_B == end
            if done_B.all():
                break
            start += idx_BT.shape[1]
            idx_BT = response_BN[:, n : n + 1]
        return response_BN
