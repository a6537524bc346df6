"""Train the GPT of the paper's baseline for 25 minutes from its first step, then leave it in
candidate/.

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
data_dir = Path(os.environ["DATA_DIR"])
budget = float(os.environ["BUDGET_SECONDS"])
# saving takes a moment, and so does leaving an interpreter that holds all of PyTorch
usable_seconds = max(0.5 * budget, min(max(0.97 * budget, budget - 10), budget - 0.6))

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

# ----- data: one long row of tokens, read in order
meta = json.loads((data_dir / "meta.json").read_text())
tokens = np.memmap(data_dir / "train.bin", dtype=meta["dtype"], mode="r")
known = meta.get("tokens_in_vocabulary", meta["vocab_size"])
if known > config.vocab_size:
    raise ValueError(f"the data's vocabulary has {known} tokens, the model's {config.vocab_size}")
config = replace(config, vocab_size=known, answer_size=meta["vocab_size"])
# the sequences of a step, shared out evenly; as many at once as a device may hold
share = config.batch_size // world_size
accumulation = max(1, math.ceil(share / config.micro_batch_size))
micro_batch = share // accumulation
if micro_batch * accumulation * world_size != config.batch_size:
    raise ValueError(
        f"{config.batch_size} sequences a step cannot be shared out evenly: {world_size} "
        f"processes, {accumulation} parts each; change the GPUs, batch_size or micro_batch_size"
    )
tokens_per_step = config.batch_size * config.block_size
steps_in_data = (len(tokens) - 1) // tokens_per_step
if steps_in_data < 1:
    raise ValueError(f"{len(tokens):,} tokens are too few; a step reads {tokens_per_step:,}")


def get_batch(step: int, micro_step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of one micro-batch; the targets are the inputs one token later.

    Steps follow each other in the row, and begin again at its end; each process has its own slice
    of a step.
    """
    sequence = rank * share + micro_step * micro_batch
    start = (step % steps_in_data) * tokens_per_step + sequence * config.block_size
    row = tokens[start : start + micro_batch * config.block_size + 1].astype(np.int64)
    row = torch.from_numpy(row).to(device, non_blocking=True)
    return row[:-1].view(micro_batch, -1), row[1:].view(micro_batch, -1)


# ----- model and optimizer
torch.manual_seed(int(os.environ["SEED"]))
model = GPT(config).to(device)
tuned = {"coordinate_descent_tuning": True}
forward = torch.compile(model, options=tuned) if config.compile else model
if world_size > 1:
    forward = DDP(forward, device_ids=[device] if on_gpu else None)
optimizer = torch.optim.AdamW(
    model.parameters(),
    lr=config.learning_rate,
    betas=(config.beta1, config.beta2),
    weight_decay=config.weight_decay,
    fused=True,
)


def learning_rate(step: int) -> float:
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    ramp = (step - config.warmup_steps) / (config.schedule_steps - config.warmup_steps)
    return config.learning_rate * (config.lr_floor + (1 - ramp)) / (1 + config.lr_floor)


def seconds_left() -> float:
    """Of the training time, or of the budget where that ends sooner; all processes agree."""
    end = min(first_step + config.train_seconds, started + usable_seconds)
    left = torch.tensor(end - clock(), dtype=torch.float64, device=device)
    if world_size > 1:
        dist.all_reduce(left, dist.ReduceOp.MIN)
    return left.item()


# ----- training
if rank == 0:
    count = sum(p.numel() for p in model.parameters())
    print(f"{count:,} parameters on {world_size} x {device}, {accumulation} x {micro_batch} a step")
step = 0
first_step = clock()  # compiling comes after it
while step < config.schedule_steps and seconds_left() > 0:
    optimizer.param_groups[0]["lr"] = learning_rate(step)

    mean_loss = 0.0
    for micro_step in range(accumulation):
        if world_size > 1:  # gradients travel once a step
            forward.require_backward_grad_sync = micro_step == accumulation - 1
        idx_BT, targets_BT = get_batch(step, micro_step)
        with autocast:
            loss = forward(idx_BT, targets_BT) / accumulation
        loss.backward()
        mean_loss += loss.detach()
    if not math.isfinite(mean_loss):
        raise FloatingPointError(f"the loss became {mean_loss} at step {step}")

    torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)

    step += 1
    if step % config.log_every == 0:
        if world_size > 1:
            dist.all_reduce(mean_loss)
            mean_loss /= world_size
        if rank == 0:
            seconds = clock() - first_step
            print(f"step {step}  {seconds:.1f} s  train loss {mean_loss:.6f}", flush=True)

# ----- the candidate
if rank == 0:
    print(f"stopped after step {step}, {clock() - first_step:.1f} s after it began with the first")
    Path("candidate").mkdir(exist_ok=True)
    torch.save(model.state_dict(), "candidate/model.pt")
    Path("candidate/config.json").write_text(json.dumps(asdict(config)))
if world_size > 1:
    dist.destroy_process_group()
