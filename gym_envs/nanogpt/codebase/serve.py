"""Answer the examination: the next token of every stream in, logits of the one after it out.

A question is the int64 array tokens_B; an empty one means that new streams begin.
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
cache = model.new_cache()

with torch.inference_mode(), autocast:
    for tokens_B in questions():
        if tokens_B.size == 0:
            cache = model.new_cache()
            answer(np.empty(0, dtype=np.float32))
        else:
            idx_B = torch.tensor(tokens_B, device=device)
            answer(model.forward_with_cache(idx_B, cache).float().cpu().numpy())
