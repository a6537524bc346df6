"""How fast the nanogpt baseline trains, beside plain nanoGPT-style training of the same model.

    python benchmarks/nanogpt_train.py [--json] [--seconds 60] [--rounds 2]

Both train on the same random tokens with the same settings, in turn, each in fresh processes: ours
is the problem's codebase as a trial runs it, one process for each GPU, clock, budget and reports
included; plain is the script in this file, a GPT and a loop and nothing else. Both end when so many
seconds have passed since their first step, which compiles.
With GPUs the model is GPT-2 124M in bfloat16, compiled; without, a tiny one of the same kind, of
which the ratio alone says something.

Reported are tokens a second after the first fifth of the steps, the best of the rounds; the ratio
of ours to plain; MFU, which counts 6 N + 12 layers x channels x context operations a token against
the bfloat16 peak of a known GPU; and the share of the time in which our loop waits for data.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from executor.problem.problem import Problem, load_problem
from executor.trial.command import TORCHRUN

from gpu.cards import bfloat16_peak

PROBLEM = Path(__file__).parents[1] / "gym_envs" / "nanogpt" / "problem.toml"

TINY = {
    "n_layer": 4,
    "n_head": 4,
    "n_embd": 128,
    "block_size": 256,
    "vocab_size": 2048,
    "batch_size": 8,
    "micro_batch_size": 8,
    "dtype": "float32",
    "compile": False,
}

# What is added to the codebase's loop: when each step ended, how long it waited for data, the end.
CHANGES = {
    "        idx_BT, targets_BT = get_batch()\n": (
        "        asked = time.perf_counter()\n"
        "        idx_BT, targets_BT = get_batch()\n"
        "        waited += time.perf_counter() - asked\n"
    ),
    "    before, progress = progress, budget_progress()\n": (
        "    before, progress = progress, budget_progress()\n    marks.append(clock())\n"
    ),
    "# ----- training\n": "# ----- training\nmarks, waited = [], 0.0\n",
    "while progress + step_share < 1.0:": (
        'while not marks or marks[-1] - marks[0] < float(os.environ["MEASURED_S"]):'
    ),
    '    print(f"stopped after': (
        '    print("marks", json.dumps(marks))\n'
        '    print("waited", waited / (marks[-1] - started))\n'
        '    print(f"stopped after'
    ),
}
SCRIPTS = OUR_SCRIPT, PLAIN_SCRIPT = "train.py", "plain.py"
# nanoGPT's loop, reduced to what a step does.
PLAIN = """
import json, os, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP

c = json.loads(os.environ["PLAIN"])
T, C, H = c["block_size"], c["n_embd"], c["n_head"]
gpu = torch.cuda.is_available()
rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if gpu else "cpu"
if gpu:
    torch.cuda.set_device(device)
    torch.set_float32_matmul_precision("high")
if world > 1:
    dist.init_process_group("nccl" if gpu else "gloo")
torch.manual_seed(rank)
data = np.memmap(os.environ["DATA_DIR"] + "/train.bin", dtype=np.uint16, mode="r")
accumulation = max(1, c["batch_size"] // (c["micro_batch_size"] * world))
micro = c["batch_size"] // (accumulation * world)


def get_batch():
    ix = torch.randint(len(data) - T, (micro,))
    x = torch.stack([torch.from_numpy(data[i : i + T].astype(np.int64)) for i in ix])
    y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + T].astype(np.int64)) for i in ix])
    if not gpu:
        return x, y
    return (part.pin_memory().to(device, non_blocking=True) for part in (x, y))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.c_attn, self.c_proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.c_fc, self.c_out = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

    def forward(self, x):
        B = x.shape[0]
        parts = self.c_attn(self.ln_1(x)).split(C, dim=2)
        q, k, v = (part.view(B, T, H, C // H).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(c["vocab_size"], C), nn.Embedding(T, C)
        self.h = nn.ModuleList(Block() for _ in range(c["n_layer"]))
        self.ln_f = nn.LayerNorm(C)
        self.lm_head = nn.Linear(C, c["vocab_size"], bias=False)
        self.lm_head.weight = self.wte.weight
        nn.init.normal_(self.wte.weight, std=0.02)

    def forward(self, idx, targets):
        x = self.wte(idx) + self.wpe(torch.arange(T, device=idx.device))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)).float(), targets.reshape(-1))


model = GPT().to(device)
decay = [p for p in model.parameters() if p.dim() >= 2]
other = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}],
    lr=c["learning_rate"], betas=(0.9, 0.95), fused=True,
)
if c["compile"]:
    model = torch.compile(model)
if world > 1:
    model = DDP(model, device_ids=[device] if gpu else None)
half = c["dtype"] != "float32"
autocast = torch.autocast("cuda" if gpu else "cpu", dtype=torch.bfloat16, enabled=half)
marks = []
x, y = get_batch()
while not marks or marks[-1] - marks[0] < float(os.environ["MEASURED_S"]):
    step = len(marks)
    for group in optimizer.param_groups:
        group["lr"] = c["learning_rate"] * min(1.0, (step + 1) / c["warmup_steps"])
    for micro_step in range(accumulation):
        if world > 1:
            model.require_backward_grad_sync = micro_step == accumulation - 1
        with autocast:
            loss = model(x, y) / accumulation
        x, y = get_batch()  # while the GPU is busy
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    loss.item()
    marks.append(time.perf_counter())
if rank == 0:
    print("marks", json.dumps(marks))
if world > 1:
    dist.destroy_process_group()
"""


class OutOfTime(RuntimeError):
    """A run was ended before it could say how fast it is."""


class Run(NamedTuple):
    """Tokens a second, and the share of the time that went to waiting for data."""

    rate: float
    waited: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of each run after its first step"
    )
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()

    gpu, gpus = devices()
    sizes = {} if gpus else TINY
    problem = load_problem(PROBLEM, {f"hyperparameters.{k}": v for k, v in sizes.items()})
    result = compare(problem, gpu, gpus, args.seconds, args.rounds)
    if args.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{key:<22} {value}" for key, value in result.items()))


def compare(
    problem: Problem,
    gpu: str,
    gpus: int,
    seconds: float,
    rounds: int,
    within_s: float | None = None,
) -> dict[str, object]:
    """The figures of a problem's training beside plain training, in turns.

    Args:
        gpu: the card's name, for the peak that MFU is a share of.
        gpus: how many train; 0 for the processor.
        seconds: of each run, after its first step.
        within_s: wall time for all of it; a later round that does not fit is left out.

    Raises:
        OutOfTime: there was no time for one round.
        RuntimeError: a run failed.
    """
    end = time.monotonic() + (within_s or float("inf"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, problem.codebase)
        facts = config_of(folder)
        pairs: list[list[Run]] = []
        for _ in range(rounds):
            try:
                pairs.append(
                    [measure(folder, script, gpus, seconds, facts, end) for script in SCRIPTS]
                )
            except OutOfTime:
                if not pairs:
                    raise
                break
        ours, plain = (max(runs, key=lambda run: run.rate) for runs in zip(*pairs, strict=True))
    result: dict[str, object] = {
        "device": f"{gpus} x {gpu}" if gpus else "CPU, one core",
        "parameters": facts["parameters"],
        "rounds": len(pairs),
        "tokens_a_second": round(ours.rate),
        "plain_tokens_a_second": round(plain.rate),
        "ratio": round(ours.rate / plain.rate, 3),
        "waiting_for_data": round(ours.waited, 4),
    }
    if peak := bfloat16_peak(gpu):
        for key, run in (("mfu", ours), ("plain_mfu", plain)):
            result[key] = round(run.rate * facts["operations"] / (peak * gpus), 3)
    return result


def devices() -> tuple[str, int]:
    import torch

    count = torch.cuda.device_count()
    return (torch.cuda.get_device_name(0) if count else "", count)


def lay_out(folder: Path, codebase: dict[str, str]) -> None:
    """The codebase, counting its waits, the plain script beside it, and tokens to train on."""
    for name, text in codebase.items():
        (folder / name).write_text(text)
    text = codebase["train.py"]
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "train.py").write_text(text)
    (folder / PLAIN_SCRIPT).write_text(PLAIN)
    (folder / "data").mkdir()


def config_of(folder: Path) -> dict:
    """The model's sizes and what a token costs; writes the tokens."""
    code = (
        "import json, torch; from dataclasses import asdict; from model import GPT, Config\n"
        "config = Config()\n"
        "with torch.device('meta'): model = GPT(config)\n"
        "count = sum(p.numel() for p in model.parameters())\n"
        "print(json.dumps(asdict(config) | {'parameters': count}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True)
    facts = json.loads(done.stdout)
    positions = facts["block_size"] * facts["n_embd"]
    attention = 12 * facts["n_layer"] * facts["n_embd"] * facts["block_size"]
    facts["operations"] = 6 * (facts["parameters"] - positions) + attention
    tokens = np.random.default_rng(0).integers(0, facts["vocab_size"], 50_000_000, np.uint16)
    tokens.tofile(folder / "data" / "train.bin")
    meta = {"dtype": "uint16", "vocab_size": facts["vocab_size"]}
    (folder / "data" / "meta.json").write_text(json.dumps(meta))
    return facts


def measure(
    folder: Path, script: str, gpus: int, seconds: float, facts: dict, end: float = float("inf")
) -> Run:
    """One run of a script, ended at `end` of the monotonic clock. Raises RuntimeError."""
    env = {
        "SEED": "0",
        "DATA_DIR": str(folder / "data"),
        "BUDGET_KIND": "wall",
        "BUDGET_SECONDS": "3600",
        "MEASURED_S": str(seconds),
        "GPUS": str(gpus),
        "OMP_NUM_THREADS": "8" if gpus else "1",
        "PLAIN": json.dumps(facts),
    }
    command = [sys.executable, "-P", str(TORCHRUN), script]
    if script == PLAIN_SCRIPT:
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
        command = [sys.executable, *(torchrun if gpus > 1 else []), script]
    printed = output_of(command, folder, {**os.environ, **env}, end)
    (marks,) = [json.loads(line[6:]) for line in printed.splitlines() if line[:6] == "marks "]
    first = len(marks) // 5
    tokens = (len(marks) - 1 - first) * facts["batch_size"] * facts["block_size"]
    waited = re.findall(r"waited ([0-9.e-]+)", printed)
    rate = tokens / (marks[-1] - marks[first])
    return Run(rate, float(waited[0]) if waited else 0.0)


def output_of(command: list[str], folder: Path, env: dict[str, str], end: float) -> str:
    """What a command prints; it and what it started are gone then. Raises RuntimeError."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    left = end - time.monotonic()
    try:
        printed, said = process.communicate(timeout=None if left == float("inf") else max(1, left))
    except subprocess.TimeoutExpired:
        raise OutOfTime(f"{command[-1]} was still running at the end of its time") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        raise RuntimeError(f"{command[-1]} failed: {said[-2000:].strip()}")
    return printed


if __name__ == "__main__":
    main()
