"""A GPT in plain PyTorch, and every hyperparameter of the run that trains it.

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
    vocab_size: int = 50304  # GPT-2's 50257, rounded up to a multiple of 128
    tie_embeddings: bool = True  # one matrix for the tokens that come in and those that go out
    dropout: float = 0.0
    # batches: 262,144 tokens a step, over all processes
    batch_size: int = 256
    micro_batch_size: int = 32  # sequences that fit on one device at once
    # AdamW
    learning_rate: float = 1.5e-3
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    # schedule: warm-up in steps, then linear over the time budget
    warmup_steps: int = 256
    final_lr_fraction: float = 0.1
    # a run that is to reach a loss, and soon: it looks at tokens that it never learns from
    target_loss: float = 0.0  # where training ends; 0: with the budget
    unseen_windows: int = 1024  # block_size tokens each
    check_every: int = 250  # steps
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
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.out = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x_BTC, pos_T, cache=None):
        B, T, C = x_BTC.shape
        q_BTC, k_BTC, v_BTC = self.qkv(x_BTC).split(C, dim=2)
        q_BHTK = q_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        k_BHSK = k_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        v_BHSK = v_BTC.view(B, T, self.heads, -1).transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        causal = cache is None  # the one query of a cached step may see all that is kept
        if cache is not None:
            k_BHSK = cache.extend(f"key{self.layer}", k_BHSK)
            v_BHSK = cache.extend(f"value{self.layer}", v_BHSK)
        y_BHTK = F.scaled_dot_product_attention(
            q_BHTK, k_BHSK, v_BHSK, dropout_p=dropout, is_causal=causal
        )
        y_BTC = y_BHTK.transpose(1, 2).reshape(B, T, C)
        return self.out(y_BTC)


class MLP(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.up = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.down = nn.Linear(4 * config.n_embd, config.n_embd)

    def forward(self, x_BTC):
        hidden = self.up(x_BTC)
        hidden = F.gelu(hidden)
        return self.down(hidden)


class Block(nn.Module):
    def __init__(self, config: Config, layer: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.n_embd)
        self.attention = Attention(config, layer)
        self.norm2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTC, pos_T, cache=None):
        x_BTC = x_BTC + self.dropout(self.attention(self.norm1(x_BTC), pos_T, cache))
        x_BTC = x_BTC + self.dropout(self.mlp(self.norm2(x_BTC)))
        return x_BTC


class GPT(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.final_norm = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.token_embedding.weight
        self.apply(self.init_weights)
        # every block adds to the residual stream twice: keep its variance independent of depth
        for block in self.blocks:
            nn.init.normal_(block.attention.out.weight, std=0.02 / (2 * config.n_layer) ** 0.5)
            nn.init.normal_(block.mlp.down.weight, std=0.02 / (2 * config.n_layer) ** 0.5)

    def init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def logits(self, idx_BT: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        start = 0 if cache is None else cache.position
        pos_T = torch.arange(start, start + idx_BT.shape[1], device=idx_BT.device)
        x_BTC = self.token_embedding(idx_BT)
        x_BTC = x_BTC + self.position_embedding(pos_T)
        x_BTC = self.dropout(x_BTC)
        for block in self.blocks:
            x_BTC = block(x_BTC, pos_T, cache)
        x_BTC = self.final_norm(x_BTC)
        logits_BTV = self.head(x_BTC).float()
        return logits_BTV

    def forward(self, idx_BT: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy, in nats a token, of predicting each target from the tokens so far."""
        logits_BTV = self.logits(idx_BT)
        loss = F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())
        return loss

    def new_cache(self) -> Cache:
        return Cache(self.config.block_size)

    def forward_with_cache(self, idx_B: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Logits of the token that follows idx_B in each stream; the cache moves on by one."""
        logits_B1V = self.logits(idx_B[:, None], cache)
        cache.position += 1
        return logits_B1V[:, 0]
