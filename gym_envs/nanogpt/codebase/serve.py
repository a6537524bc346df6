"""Answer the examination: the next token of every stream in, logits of the one after it out.

A question is the int64 array tokens_B; an empty one means that new streams begin. Its type says
how to answer: in float32, or in float16, which is half as much to carry.
"""

import json
from pathlib import Path

import numpy as np
import torch

from exam_pipe import answer, questions
from model import GPT, Config

config = Config(**json.loads(Path("candidate/config.json").read_text()))
device = "cuda" if torch.cuda.is_available() else "cpu"
model = GPT(config)
model.load_state_dict(torch.load("candidate/model.pt", map_location="cpu", weights_only=True))
model.to(device).eval()
autocast = torch.autocast(
    device, dtype=getattr(torch, config.dtype), enabled=config.dtype != "float32"
)
landing = torch.empty(0)


def on_host(logits_BV: torch.Tensor) -> np.ndarray:
    """In pinned memory that is kept: at full size fresh pages would cost more than the copy."""
    global landing
    if device == "cpu":
        return logits_BV.numpy()
    if (landing.shape, landing.dtype) != (logits_BV.shape, logits_BV.dtype):
        landing = torch.empty_like(logits_BV, device="cpu", pin_memory=True)
    return landing.copy_(logits_BV).numpy()


with torch.inference_mode(), autocast:
    for tokens_B in questions():
        if tokens_B.size == 0:
            cache, dtype = model.new_cache(), tokens_B.dtype
            answer(np.empty(0, dtype=dtype))
            continue
        idx_B = torch.tensor(tokens_B, device=device)
        logits_BV = model.forward_with_cache(idx_B, cache).float()
        if dtype == np.float16:
            # 0 for the likeliest token, where 16 bits are finest; the softmax is the same
            logits_BV = (logits_BV - logits_BV.amax(dim=1, keepdim=True)).clamp(min=-6e4).half()
        answer(on_host(logits_BV))
