"""The GPT of the paper's baseline in plain PyTorch, and every hyperparameter of its training.

The same code path serves training (many tokens at once, no cache) and the examination (one token
at a time, a cache of the past), so a change to the model keeps the two consistent.

Shape suffixes: B streams, T tokens of a stream, S tokens remembered so far, C channels,
H heads, K channels of a head, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass(frozen=True)
class Config:
    # model: GPT-2, 124M parameters
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    block_size: int = 1024
    vocab_size: int = 50257  # not rounded up
    answer_size: int = 50304  # logits of an answer to the examination: the vocabulary and fillers
    norm_eps: float = 1e-6
    # batches: 262,144 tokens a step, over all processes
    batch_size: int = 256
    micro_batch_size: int = 32  # sequences that fit on one device at once
    # AdamW
    learning_rate: float = 1.5e-3
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1  # of all parameters
    grad_clip: float = 1.0
    # schedule: warm-up, then linear; in steps, so that the time ends high on the ramp
    warmup_steps: int = 256
    schedule_steps: int = 26880
    lr_floor: float = 0.1  # the ramp ends at floor / (1 + floor) of the peak
    # the end, and how often the loss is printed
    train_seconds: float = 1500.0  # from the first step on
    log_every: int = 100  # steps
    # numerics
    dtype: str = "bfloat16"
    compile: bool = True


class Cache:
    """What each stream remembers of its past, under any number of names."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.position = 0  # of the next token
        self.kept: dict[str, torch.Tensor] = {}

    def extend(self, name: str, new_BHTK: torch.Tensor) -> torch.Tensor:
        """Keep the newest tokens' values; return all that are kept, oldest first."""
        B, H, T, K = new_BHTK.shape
        if name not in self.kept:
            self.kept[name] = new_BHTK.new_empty(B, H, self.capacity, K)
        end = self.position + T
        self.kept[name][:, :, self.position : end] = new_BHTK
        return self.kept[name][:, :, :end]


class Attention(nn.Module):
    def __init__(self, config: Config, layer: int):
        super().__init__()
        self.layer = layer
        self.heads = config.n_head
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=False)
        self.out = nn.Linear(config.n_embd, config.n_embd, bias=False)

    def forward(self, x_BTC, cache=None):
        B, T, C = x_BTC.shape
        q_BTC, k_BTC, v_BTC = self.qkv(x_BTC).split(C, dim=2)
        q_BHTK = q_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        k_BHSK = k_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        v_BHSK = v_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        causal = cache is None  # the one query of a cached step may see all that is kept
        if cache is not None:
            k_BHSK = cache.extend(f"key{self.layer}", k_BHSK)
            v_BHSK = cache.extend(f"value{self.layer}", v_BHSK)
        y_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, is_causal=causal)
        y_BTC = y_BHTK.transpose(1, 2).reshape(B, T, C)
        return self.out(y_BTC)


class MLP(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x_BTC):
        return self.down(F.gelu(self.up(x_BTC)))


class Block(nn.Module):
    def __init__(self, config: Config, layer: int):
        super().__init__()
        self.norm_eps = config.norm_eps
        self.attention = Attention(config, layer)
        self.mlp = MLP(config)
        # √24 at twelve layers: each has two branches
        self.attention_divisor = (2 * config.n_layer) ** 0.5

    def forward(self, x_BTC, cache=None):
        attended_BTC = self.attention(rms_norm(x_BTC, self.norm_eps), cache)
        x_BTC = x_BTC + attended_BTC / self.attention_divisor
        return x_BTC + self.mlp(rms_norm(x_BTC, self.norm_eps))


class GPT(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        # every matrix keeps the initial values that nn.Linear gives it, the tokens' included
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.token_embedding.weight = self.head.weight
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        nn.init.normal_(self.position_embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))

    def logits(self, idx_BT: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        start = 0 if cache is None else cache.position
        pos_T = torch.arange(start, start + idx_BT.shape[1], device=idx_BT.device)
        x_BTC = self.token_embedding(idx_BT) + self.position_embedding(pos_T)
        for block in self.blocks:
            x_BTC = block(x_BTC, cache)
        return self.head(rms_norm(x_BTC, self.config.norm_eps)).float()

    def forward(self, idx_BT: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy, in nats a token, of predicting each target from the tokens so far."""
        logits_BTV = self.logits(idx_BT)
        return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())

    def new_cache(self) -> Cache:
        return Cache(self.config.block_size)

    def forward_with_cache(self, idx_B: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Logits of the token that follows idx_B in each stream; the cache moves on by one."""
        logits_BV = self.logits(idx_B[:, None], cache)[:, 0]
        cache.position += 1
        fillers = self.config.answer_size - self.config.vocab_size
        return F.pad(logits_BV, (0, fillers), value=-1e4)  # finite, and a probability of 0


def rms_norm(x_BTC: torch.Tensor, eps: float) -> torch.Tensor:
    """Each token's channels over their root mean square, in single precision; no parameters."""
    return F.rms_norm(x_BTC.float(), (x_BTC.shape[-1],), eps=eps)
