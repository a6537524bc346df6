"""GRPO as the paper's baseline has it: a loss of tokens, and an evaluation every two steps.

The environment says how: SEED, DATA_DIR (train.jsonl, and the model to start from in model/),
BUDGET_KIND ("cpu" or "wall") and BUDGET_SECONDS. Every hyperparameter is a field of Config. The
problems that an evaluation asks are the examiner's: what there is to evaluate is left for it, each
time in a folder of its own, candidate/step-02, candidate/step-04 and so on. Each must have the
architecture that training started with: the examination loads weights alone.

Shape suffixes: P prompts of a rollout, G responses to each, N = P * G sequences, B sequences at a
time, T tokens of a sequence.
"""

# ruff: noqa: E402 (what is imported below is charged, unless it was preloaded)
import os
import time

clock = time.process_time if os.environ["BUDGET_KIND"] == "cpu" else time.monotonic
started = clock()

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from grader import grade
from policy import is_tiny, load_policy, logits, save_policy
from rollout import open_engine
from text import load_tokenizer, prompt


@dataclass(frozen=True)
class Config:
    # rollouts
    steps: int = 20
    evaluate_every: int = 2  # steps
    prompts_per_step: int = 128
    group_size: int = 8
    max_new_tokens: int = 1024
    temperature: float = 1.0
    # objective
    clip_low: float = 0.2
    clip_high: float = 0.2
    epochs_per_step: int = 1
    advantage_eps: float = 1e-6
    # AdamW; an update sees micro_batch_size * accumulation sequences
    learning_rate: float = 1e-5
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    micro_batch_size: int = 4
    accumulation: int = 16


config = Config()
seed = int(os.environ["SEED"])
data_dir = Path(os.environ["DATA_DIR"])
budget = float(os.environ["BUDGET_SECONDS"])
# saving takes a moment, and so does leaving an interpreter that holds all of PyTorch
train_seconds = max(0.5 * budget, min(0.97 * budget, budget - 0.6))

# ----- the model to start from, and the problems
torch.manual_seed(seed)
rng = np.random.default_rng(seed)
base = data_dir / "model"
tiny = is_tiny(base)
device = "cuda" if torch.cuda.is_available() and not tiny else "cpu"
autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")
policy = load_policy(base, device)
if not tiny:
    policy.gradient_checkpointing_enable()
tokenizer = load_tokenizer(base)
engine = open_engine(base, policy)
problems = [json.loads(line) for line in (data_dir / "train.jsonl").read_text().splitlines()]

optimizer = torch.optim.AdamW(
    policy.parameters(),
    lr=config.learning_rate,
    betas=(config.beta1, config.beta2),
    weight_decay=config.weight_decay,
    fused=True,
)


def reward(problem: dict, response: str) -> float:
    """What a response earns in training; the examination asks for right answers alone."""
    return float(grade(response, problem["answer"], tiny=tiny))


def advantages(rewards_PG: torch.Tensor) -> torch.Tensor:
    """How much better than its group each response is, in standard deviations of the group."""
    centred_PG = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
    return centred_PG / (rewards_PG.std(dim=1, keepdim=True) + config.advantage_eps)


def pack(prompts: list[list[int]], responses: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sequences idx_NT, padded at their ends, and which of idx_NT[:, 1:] are of a response."""
    pairs = list(zip(prompts, responses, strict=True))
    longest = max(len(p) + len(r) for p, r in pairs)
    idx_NT = torch.full((len(pairs), longest), tokenizer.end)
    mask_NT = torch.zeros(len(pairs), longest - 1)
    for n, (p, r) in enumerate(pairs):
        idx_NT[n, : len(p) + len(r)] = torch.tensor(p + r)
        mask_NT[n, len(p) - 1 : len(p) + len(r) - 1] = 1.0
    return idx_NT.to(device), mask_NT.to(device)


def log_probs(idx_BT: torch.Tensor) -> torch.Tensor:
    """The log-probability of each token of idx_BT[:, 1:], given those before it."""
    with autocast:
        logits_BTV = logits(policy, idx_BT[:, :-1])
    nats_BT = F.cross_entropy(logits_BTV.flatten(0, 1), idx_BT[:, 1:].flatten(), reduction="none")
    return -nats_BT.view(len(idx_BT), -1)


def policy_loss(
    new_BT: torch.Tensor, old_BT: torch.Tensor, advantage_B: torch.Tensor, mask_BT: torch.Tensor
) -> torch.Tensor:
    """The clipped objective, summed over all tokens of the responses, to minimise."""
    ratio_BT = (new_BT - old_BT).exp()
    clipped_BT = ratio_BT.clamp(1 - config.clip_low, 1 + config.clip_high)
    advantage_B1 = advantage_B[:, None]
    objective_BT = torch.minimum(ratio_BT * advantage_B1, clipped_BT * advantage_B1)
    return -(objective_BT * mask_BT).sum()


def leave_for_evaluation(step: int) -> None:
    """What the policy is now; it trains on as it is, so a copy takes the precision of a file."""
    folder = Path("candidate") / f"step-{step:02d}"
    folder.parent.mkdir(exist_ok=True)
    save_policy(copy.deepcopy(policy), base, folder)


# ----- training
step = 0
progress, step_share = (clock() - started) / train_seconds, 0.0
while step < config.steps and progress + step_share < 1.0:  # as long as one more step fits
    # rollout: a group of responses to each of some problems
    chosen_P = rng.choice(len(problems), size=config.prompts_per_step, replace=False)
    prompts = [tokenizer.encode(prompt(problems[p]["problem"], tiny=tiny)) for p in chosen_P]
    policy.eval()
    responses = engine.generate(
        prompts,
        samples=config.group_size,
        max_new_tokens=config.max_new_tokens,
        temperature=config.temperature,
        seed=int(rng.integers(2**31)),
    )

    # rewards and advantages
    asked = [p for p in chosen_P for _ in range(config.group_size)]
    texts = [tokenizer.decode(response) for response in responses]
    rewards_N = [reward(problems[p], text) for p, text in zip(asked, texts, strict=True)]
    rewards_PG = torch.tensor(rewards_N).view(config.prompts_per_step, config.group_size)
    advantage_N = advantages(rewards_PG).flatten().to(device)

    # the sequences, and how likely the policy found them when it wrote them
    idx_NT, mask_NT = pack([ids for ids in prompts for _ in range(config.group_size)], responses)
    policy.train()
    with torch.no_grad():
        old_NT = torch.cat([log_probs(idx_BT) for idx_BT in idx_NT.split(config.micro_batch_size)])

    # updates
    losses = []
    for _ in range(config.epochs_per_step):
        order_N = torch.from_numpy(rng.permutation(len(idx_NT))).to(device)
        for update in order_N.split(config.micro_batch_size * config.accumulation):
            update_loss, tokens = 0.0, mask_NT[update].sum()
            for micro_B in update.split(config.micro_batch_size):
                new_BT = log_probs(idx_NT[micro_B])
                loss = policy_loss(new_BT, old_NT[micro_B], advantage_N[micro_B], mask_NT[micro_B])
                loss = loss / tokens  # each counts alike, in a long response and in a short one
                loss.backward()
                update_loss += loss.item()
            if not math.isfinite(update_loss):
                raise FloatingPointError(f"the loss became {update_loss} at step {step}")
            losses.append(update_loss)
            torch.nn.utils.clip_grad_norm_(policy.parameters(), config.grad_clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    engine.load(policy)

    step += 1
    if step % config.evaluate_every == 0:
        leave_for_evaluation(step)
    before, progress = progress, (clock() - started) / train_seconds
    step_share = progress - before
    print(
        f"step {step}  budget {progress:.0%}  reward {rewards_PG.mean():.3f}  "
        f"length {mask_NT.sum(dim=1).mean():.1f}  loss {np.mean(losses):+.4f}",
        flush=True,
    )

# ----- the candidate
print(f"stopped after step {step} at {progress:.0%} of the training time")
if step == 0 or step % config.evaluate_every:
    leave_for_evaluation(step)
