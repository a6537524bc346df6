"""Held-out accuracy of a candidate that is nothing but weights, at temperature 0.

The candidate is `model.safetensors` with the tensors of the model that training started from; each
other file in its folder must be, byte for byte, the file of that model. So no code of an idea takes
part: the frozen serve.py loads the weights into the standard architecture, in the sandbox, with
problems and without answers. Prompts are written and responses graded here. A program that could
work a problem out by itself has nowhere to run.

The reward is the accuracy of the likeliest response, which no scale of the weights changes. Beside
it stands `accuracy_at_1`, of samples at temperature 1: `samples` to each problem, with seeds that
come from the problem's secret and are the same for every candidate.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

CODEBASE = Path(__file__).parent / "codebase"
WEIGHTS = "model.safetensors"


def examine(candidate, held_out: Path) -> dict[str, float]:
    check_files(candidate.folder, held_out)
    text, grader = load("text"), load("grader")
    exam = json.loads((held_out / "exam.json").read_text())
    config = json.loads((held_out / "model" / "config.json").read_text())
    tiny = config["model_type"] == "tiny_gpt"
    tokenizer = text.load_tokenizer(held_out / "model")
    vocabulary = len(config["characters"]) if tiny else config["vocab_size"]
    problems = read_problems(held_out / "problems.jsonl")

    def examined(rows: list[dict], temperature: int) -> tuple[float, float]:
        """Accuracy, and the mean length of the responses in tokens."""
        right, lengths = [], []
        for start in range(0, len(rows), exam["batch"]):
            batch = rows[start : start + exam["batch"]]
            settings = np.array([exam["max_new_tokens"], temperature, exam["seed"] + start])
            candidate.ask(settings, shape=(0,), dtype="int64")
            prompts = [tokenizer.encode(text.prompt(row["problem"], tiny=tiny)) for row in batch]
            responses_BN = candidate.ask(
                pad(prompts),
                shape=(len(batch), exam["max_new_tokens"]),
                dtype="int64",
                low=-1,
                high=vocabulary - 1,
            )
            for row, ids_N in zip(batch, responses_BN, strict=True):
                ids = ids_N[ids_N >= 0].tolist()
                right.append(grader.grade(tokenizer.decode(ids), row["answer"], tiny=tiny))
                lengths.append(len(ids))
        return float(np.mean(right)), float(np.mean(lengths))

    accuracy, length = examined(problems, 0)
    accuracy_at_1, _ = examined(problems * exam["samples"], 1)
    return {"accuracy": accuracy, "accuracy_at_1": accuracy_at_1, "response_length": length}


def check_files(folder: Path, held_out: Path) -> None:
    """Raises ValueError, which rejects the candidate, unless it is weights and nothing else."""
    base = {path.name: path.read_bytes() for path in (held_out / "model").iterdir()}
    found = {path.name: path for path in folder.iterdir()}
    for name in sorted(base.keys() | {WEIGHTS}):
        if name not in found or not found[name].is_file():
            raise ValueError(f"candidate/ holds no file {name}")
    for name, path in sorted(found.items()):
        if name == WEIGHTS:
            continue
        if name not in base:
            raise ValueError("candidate/ holds more than the weights and the base model's files")
        # one that is larger is not even read
        if path.stat().st_size != len(base[name]) or path.read_bytes() != base[name]:
            raise ValueError(f"candidate/{name} differs from the base model's")
    header = load("weights").read_header(found[WEIGHTS])
    shapes = {name: entry["shape"] for name, entry in header.items()}
    if shapes != json.loads((held_out / "shapes.json").read_text()):
        raise ValueError("the weights are not those of the base model's architecture")


def pad(prompts: list[list[int]]) -> np.ndarray:
    """One row a prompt, -1 behind its end."""
    prompts_BT = np.full((len(prompts), max(map(len, prompts))), -1, dtype=np.int64)
    for row, ids in zip(prompts_BT, prompts, strict=True):
        row[: len(ids)] = ids
    return prompts_BT


def read_problems(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def load(name: str):
    """A module of the problem's own codebase, not of a patched one."""
    key = f"grpo_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, CODEBASE / f"{name}.py")
        assert spec and spec.loader
        sys.modules[key] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[key])
    return sys.modules[key]
