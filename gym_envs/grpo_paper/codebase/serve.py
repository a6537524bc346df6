"""Answer the examination of one model after another: prompts in, one response to each out.

A question is the int64 array [step], which is answered by an empty one and says that the model of
candidate/step-… answers from now on; or [max_new_tokens, temperature, seed], likewise for what
follows (temperature 0 takes the likeliest token each time); or prompts_BT, padded at the end with
-1; its answer is responses_BN, int64, padded likewise. Nothing that an idea may edit is imported
here: the candidate is its weights.
"""

from pathlib import Path

import numpy as np

from exam_pipe import answer, questions
from policy import WEIGHTS, load_policy
from rollout import TransformersEngine, open_engine
from weights import read_weights


def model_of(step: int, engine):
    """The engine with the model of a step; vLLM, which takes seconds to start, starts once."""
    folder = Path("candidate") / f"step-{step:02d}"
    if not all(tensor.isfinite().all() for tensor in read_weights(folder / WEIGHTS).values()):
        raise SystemExit(f"the candidate's weights of step {step} are not all finite numbers")
    if engine is None:
        return open_engine(folder, share=0.85)
    device = "cpu"  # vLLM copies the weights from wherever they are
    if isinstance(engine, TransformersEngine):
        device = str(next(engine.policy.parameters()).device)
    engine.load(load_policy(folder, device))
    return engine


engine = None
max_new_tokens = temperature = seed = 0
for question in questions():
    if question.ndim == 1:
        if len(question) == 1:
            engine = model_of(int(question[0]), engine)
        else:
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
