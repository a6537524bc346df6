"""Train a GPT for as long as the budget lasts, then leave it in candidate/.

One process: `python train.py`. Several GPUs: `torchrun --nproc-per-node 8 train.py`.
The environment says how: SEED, DATA_DIR (train.bin and meta.json), BUDGET_KIND ("cpu" or
"wall") and BUDGET_SECONDS. Every hyperparameter is a field of Config in model.py.
"""

# ruff: noqa: E402 (what is imported below is charged, unless it was preloaded)
import os
import time

clock = time.process_time if os.environ["BUDGET_KIND"] == "cpu" else time.monotonic
started = clock()
if "BUDGET_STARTED" in os.environ and clock is time.monotonic:  # by torchrun, before our imports
    started = float(os.environ["BUDGET_STARTED"])

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP

from model import GPT, Config

config = Config()
seed = int(os.environ["SEED"])
data_dir = Path(os.environ["DATA_DIR"])
budget = float(os.environ["BUDGET_SECONDS"])
# saving takes a moment, and so does leaving an interpreter that holds all of PyTorch
train_seconds = max(0.5 * budget, min(max(0.97 * budget, budget - 10), budget - 0.6))

# ----- devices: one process, or one for each GPU under torchrun
rank = int(os.environ.get("RANK", 0))
world_size = int(os.environ.get("WORLD_SIZE", 1))
on_gpu = torch.cuda.is_available()
device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if on_gpu else "cpu"
if on_gpu:
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
if world_size > 1:
    dist.init_process_group("nccl" if on_gpu else "gloo")
autocast = torch.autocast(
    "cuda" if on_gpu else "cpu",
    dtype=getattr(torch, config.dtype),
    enabled=config.dtype != "float32",
)

# ----- data: one long row of tokens, cut at random places
torch.manual_seed(seed)
rng = np.random.default_rng([seed, rank])
meta = json.loads((data_dir / "meta.json").read_text())
tokens = np.memmap(data_dir / "train.bin", dtype=meta["dtype"], mode="r")
if meta["vocab_size"] > config.vocab_size:
    raise ValueError(
        f"the data's vocabulary has {meta['vocab_size']} tokens, the model's {config.vocab_size}"
    )
config = replace(config, vocab_size=meta["vocab_size"])
unseen_NT = None
if config.target_loss:
    size = config.unseen_windows * (config.block_size + 1)
    tokens, unseen = tokens[:-size], tokens[-size:].astype(np.int64)
    unseen_NT = torch.from_numpy(unseen).view(config.unseen_windows, -1).to(device)
# the sequences of a step, shared out evenly; as many at once as a device may hold
share = config.batch_size / world_size
accumulation = max(1, math.ceil(share / config.micro_batch_size))
micro_batch = max(1, round(share / accumulation))


def get_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of one micro-batch; the targets are the inputs one token later."""
    T = config.block_size
    starts_B = rng.integers(0, len(tokens) - T, size=micro_batch)
    window_BT = np.stack([tokens[start : start + T + 1] for start in starts_B]).astype(np.int64)
    window_BT = torch.from_numpy(window_BT).to(device, non_blocking=True)
    return window_BT[:, :-1].contiguous(), window_BT[:, 1:].contiguous()


# ----- model and optimizers
model = GPT(config).to(device)
forward = torch.compile(model) if config.compile else model
if world_size > 1:
    forward = DDP(forward, device_ids=[device] if on_gpu else None)

matrices = [p for p in model.parameters() if p.ndim >= 2]
vectors = [p for p in model.parameters() if p.ndim < 2]
optimizers = [
    torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors}],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=0.0,
        fused=True,
    ),
]
groups = [group for optimizer in optimizers for group in optimizer.param_groups]
for group in groups:
    group["peak_lr"] = group["lr"]


def lr_fraction(step: int, progress: float) -> float:
    """The share of the peak learning rate to use, `progress` of the budget being spent."""
    warmup = min(1.0, (step + 1) / config.warmup_steps)
    decay = 1.0 - (1.0 - config.final_lr_fraction) * progress
    return warmup * decay


def budget_progress() -> float:
    """The share of the training time that is gone; every process gets the same answer."""
    used = torch.tensor(clock() - started, dtype=torch.float64, device=device)
    if world_size > 1:
        # processor time adds up over the processes, time on the wall does not
        cpu = os.environ["BUDGET_KIND"] == "cpu"
        dist.all_reduce(used, dist.ReduceOp.SUM if cpu else dist.ReduceOp.MAX)
    return used.item() / train_seconds


@torch.no_grad()
def unseen_loss() -> float:
    """The mean loss on the windows kept apart; every process gets the same answer."""
    model.eval()
    losses = []
    for window_BT in unseen_NT[rank::world_size].split(config.micro_batch_size):
        with autocast:
            losses.append(model(window_BT[:, :-1], window_BT[:, 1:]))
    model.train()
    mean = torch.stack(losses).mean()
    if world_size > 1:
        dist.all_reduce(mean)
        mean /= world_size
    return mean.item()


# ----- training
if rank == 0:
    count = sum(p.numel() for p in model.parameters())
    print(f"{count:,} parameters on {world_size} x {device}, {accumulation} x {micro_batch} a step")
step = 0
reported = 0.0
progress, step_share = budget_progress(), 0.0
while progress + step_share < 1.0:  # as long as one more step fits
    for group in groups:
        group["lr"] = group["peak_lr"] * lr_fraction(step, progress)

    mean_loss = 0.0
    for micro_step in range(accumulation):
        if world_size > 1:  # gradients travel once a step
            forward.require_backward_grad_sync = micro_step == accumulation - 1
        idx_BT, targets_BT = get_batch()
        with autocast:
            loss = forward(idx_BT, targets_BT) / accumulation
        loss.backward()
        mean_loss += loss.detach()
    if not math.isfinite(mean_loss):
        raise FloatingPointError(f"the loss became {mean_loss} at step {step}")

    torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step += 1
    before, progress = progress, budget_progress()
    step_share = progress - before
    if progress >= reported + 0.1:
        reported = progress
        if world_size > 1:
            dist.all_reduce(mean_loss)
            mean_loss /= world_size
        if rank == 0:
            print(f"step {step}  budget {progress:.0%}  train loss {mean_loss:.3f}", flush=True)
    if config.target_loss and step % config.check_every == 0:
        loss = unseen_loss()
        if rank == 0:
            print(f"step {step}  budget {progress:.0%}  unseen loss {loss:.4f}", flush=True)
        if loss <= config.target_loss:
            break

# ----- the candidate
if rank == 0:
    print(f"stopped after step {step} at {progress:.0%} of the training time")
    Path("candidate").mkdir(exist_ok=True)
    torch.save(model.state_dict(), "candidate/model.pt")
    Path("candidate/config.json").write_text(json.dumps(asdict(config)))
if world_size > 1:
    dist.destroy_process_group()
