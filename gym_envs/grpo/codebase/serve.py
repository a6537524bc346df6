"""Answer the examination: prompts in, one response to each out.

A question is either the int64 array [max_new_tokens, temperature, seed], which is answered by an
empty one and holds for what follows (temperature 0 takes the likeliest token each time), or
prompts_BT, padded at the end with -1; its answer is responses_BN, int64, padded likewise. Nothing
that an idea may edit is imported here: the candidate is its weights.
"""

from pathlib import Path

import numpy as np

from exam_pipe import answer, questions
from policy import WEIGHTS
from rollout import open_engine
from weights import read_weights

folder = Path("candidate")
if not all(tensor.isfinite().all() for tensor in read_weights(folder / WEIGHTS).values()):
    raise SystemExit("the candidate's weights are not all finite numbers")
engine = open_engine(folder, share=0.85)

max_new_tokens = temperature = seed = 0
for question in questions():
    if question.ndim == 1:
        max_new_tokens, temperature, seed = question.tolist()
        answer(np.empty(0, dtype=np.int64))
        continue
    responses = engine.generate(
        [ids[ids >= 0].tolist() for ids in question],
        samples=1,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    responses_BN = np.full((len(question), max_new_tokens), -1, dtype=np.int64)
    for row, ids in zip(responses_BN, responses, strict=True):
        row[: len(ids)] = ids
    answer(responses_BN)
