"""Rollout and update of the problem grpo, with a small Qwen3 of random weights, made here.

The rollouts go through vLLM where it is installed and through transformers elsewhere, as the
problem's codebase has it. Tokens are counted without padding; an update's include the prompts, and
its time the pass that says how likely the old policy found them.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from executor.data.prepared import PreparedData

from gpu import trials
from gpu.corpus import make_readable
from gpu.setting import Figure, Section, Setting, Skipped

_CHANGES = {
    "    responses = engine.generate(\n": (
        "    if torch.cuda.is_available():\n        torch.cuda.synchronize()\n"
        "    asked = time.perf_counter()\n    responses = engine.generate(\n"
    ),
    "    # rewards and advantages\n": (
        "    rollout_s = time.perf_counter() - asked\n    # rewards and advantages\n"
    ),
    "    # the sequences, and how likely the policy found them when it wrote them\n": (
        "    packed = time.perf_counter()\n"
        "    # the sequences, and how likely the policy found them when it wrote them\n"
    ),
    "    engine.load(policy)\n": (
        "    if torch.cuda.is_available():\n        torch.cuda.synchronize()\n"
        "    update_s = time.perf_counter() - packed\n"
        "    written = sum(map(len, responses))\n"
        "    read = written + config.group_size * sum(map(len, prompts))\n"
        '    print("timed", json.dumps([written, rollout_s, read, update_s]), flush=True)\n'
        "    engine.load(policy)\n"
    ),
}
_LINE = re.compile(r"^timed (\[.*\])$", re.MULTILINE)
# Nothing in these words is a mark that ends a response, or that a grader looks for.
_WORDS = "two three five seven apples trains towers add sum of and how many each have left per day"


def measure(at: Setting) -> Section:
    if find_spec("transformers") is None:
        raise Skipped("transformers is not installed")
    folder = at.work / "grpo"
    data = make_data(folder, tiny=at.tiny)
    sizes = {"prompts_per_step": 2, "group_size": 2, "max_new_tokens": 8, "steps": 1}
    if not at.tiny:
        sizes = {"prompts_per_step": 32, "group_size": 8, "max_new_tokens": 256, "steps": 3}
    problem = trials.grpo(at, **sizes)
    files = {"train.py": trials.changed(problem.codebase["train.py"], _CHANGES)}
    spec = trials.spec_of(at, problem, data, files, seconds=at.left())
    trial = trials.run(at, trials.without_examination(spec, folder), "grpo")
    steps = [json.loads(text) for text in _LINE.findall(trial.log)]
    trials.expect(trial, "grpo")
    written, rollout_s, read, update_s = steps[-1]  # the first one warms up
    engine = "vLLM" if at.cuda and find_spec("vllm") else "transformers"
    figures = [
        Figure(f"rollout through {engine}: tokens a second", f"{written / rollout_s:,.0f}"),
        Figure("update: tokens a second", f"{read / update_s:,.0f}"),
    ]
    remarks = [f"a Qwen3 of random weights; the last of {len(steps)} steps counts"]
    remarks += [f"skipped: {name} is not installed" for name in missing()]
    return Section(figures, remarks, {"steps": steps, "engine": engine})


def missing() -> list[str]:
    """The packages of language models' training that are not here."""
    return [name for name in ("vllm", "verl") if find_spec(name) is None]


def make_data(folder: Path, *, tiny: bool) -> PreparedData:
    """Problems of random words with numbers for answers, and the model to start from."""
    from transformers.utils.logging import disable_progress_bar

    from ideator_rl.sft.tiny_model import TinySizes, build_model, build_tokenizer, save_checkpoint

    disable_progress_bar()
    rng = np.random.default_rng(0)
    problems = [" ".join(rng.choice(_WORDS.split(), 24)) + "?" for _ in range(512)]
    train = folder / "train"
    train.mkdir(parents=True, exist_ok=True)
    rows = [
        json.dumps({"problem": text, "solution": "", "answer": str(number)})
        for number, text in enumerate(problems)
    ]
    (train / "train.jsonl").write_text("\n".join(rows) + "\n")
    sizes = (
        TinySizes(vocabulary=512)
        if tiny
        else TinySizes(
            vocabulary=4096,
            hidden_size=512,
            layers=8,
            heads=8,
            key_value_heads=4,
            intermediate_size=1536,
        )
    )
    tokenizer = build_tokenizer(problems, sizes.vocabulary)
    save_checkpoint(build_model(sizes, tokenizer, seed=0), tokenizer, train / "model")
    make_readable(train)
    return PreparedData(train, None, "made by benchmarks/gpu.py")
