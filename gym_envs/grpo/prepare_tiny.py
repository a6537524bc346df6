"""The small problem's data: chains of secret operations, and a model that has known them.

A problem is a chain of six digits joined by five of the operations a, b and c, worked from left to
right: `3a8b5c2a7b1`. What an operation makes of two digits depends on the operation before it, so
there are twelve tables (`a` to begin with, `a` after `a`, `a` after `b`, ...) of a hundred digits
each, all drawn at random: nothing about one entry tells anything about another. A model that writes
the running result down digit by digit finds the next one by attention to four places; what it has
written does not show which table is meant.

The model is warmed up on such thinking until it takes nearly each step right. Then noise is added
to what it reads and writes characters with, its embeddings and its head, until it answers two
problems in five. It still knows the tables: small changes in the right direction would bring them
back, all entries at once, and that direction is what reinforcement learning can find from right and
wrong answers.

Everything is drawn from the installation's secret: tables, chains, the warm-up and the noise. No
script can work a problem out by arithmetic, and none can bring the tables along. Whoever reads the
tables off the model reads its errors, too; and the training problems are so few that most entries
occur once or never in them, so that their answers do not mend what was read. docs/grpo.md has the
attacks that were tried and what they earn. There are 2e8 chains, too many to be learnt by heart,
and no problem is in two of the three sets or in the warm-up.

Preparing takes half a minute on one core and comes out the same every time for one secret, on one
machine with one version of PyTorch.
"""

import importlib.util
import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

CODEBASE = Path(__file__).parent / "codebase"
OPERATORS, OPERANDS = "abc", 6
MODEL = {"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 32}
CHARACTERS = f"0123456789{OPERATORS}=>."
TRAIN, HELD_OUT = 200, 2_000
EXAM = {"samples": 1, "max_new_tokens": 12, "batch": 2_000}
# The warm-up: at full pace until its loss is low, in nats a character, and then slower and slower.
ENOUGH, MOST_STEPS, SETTLING_STEPS, BATCH = 1.0, 400, 130, 128
LEARNING_RATE, MUON_LEARNING_RATE = 6e-3, 0.03
# Noise is added in such steps, in standard deviations of each matrix, until so much is answered.
NOISE_STEP, ANSWERED, ASKED = 0.01, 0.4, 1_000

Tables = dict[str, list[list[int]]]


def prepare(
    train: Path, held_out: Path, source: str | None = None, *, secret: str, final: Path
) -> None:
    """Fill the three folders. Raises ValueError: there is nothing to make them from."""
    if source is not None:
        raise ValueError("the small problem makes its own data: leave --source out")
    tables = secret_tables(secret)
    drawn: set[str] = set()
    for path, count in (
        (train / "train.jsonl", TRAIN),
        (held_out / "problems.jsonl", HELD_OUT),
        (final / "problems.jsonl", HELD_OUT),
    ):
        # From a generator of their own: no set of them gives another away.
        chains = distinct(random.Random(f"{secret} {path.parent.name}"), count, drawn)
        write_jsonl(path, chains, tables)
        drawn.update(chains)

    tiny_gpt, weights = load("tiny_gpt"), load("weights")
    config = tiny_gpt.TinyConfig(characters=CHARACTERS, **MODEL)
    model = warm_up(lambda: tiny_gpt.TinyGPT(config), tables, secret, without=drawn)
    disturb(model, tables, secret, without=drawn)
    for folder in (train, held_out, final):
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text(json.dumps(asdict(config)))
    weights.write_weights(train / "model" / "model.safetensors", model.state_dict())
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    for folder in (held_out, final):
        seed = random.Random(f"{secret} sampling {folder.name}").randrange(2**31)
        (folder / "exam.json").write_text(json.dumps({**EXAM, "seed": seed}))
        (folder / "shapes.json").write_text(json.dumps(shapes))


def secret_tables(secret: str) -> Tables:
    """The result for each running result and digit, by an operation and the one before it, such as
    "ab" (b after a) or "b" (b as the first of a chain)."""
    rng = random.Random(f"{secret} operations")
    return {
        before + operator: [[rng.randrange(10) for _ in range(10)] for _ in range(10)]
        for before in ("", *OPERATORS)
        for operator in OPERATORS
    }


def chain(rng: random.Random) -> str:
    first, *rest = (str(rng.randrange(10)) for _ in range(OPERANDS))
    return first + "".join(rng.choice(OPERATORS) + digit for digit in rest)


def distinct(rng: random.Random, count: int, without: set[str]) -> list[str]:
    """`count` different chains, none of them in `without`."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = chain(rng)
        if text not in without:
            found[text] = None
    return list(found)


def running_results(text: str, tables: Tables) -> list[int]:
    """The result after each operation, from left to right."""
    letters, result = text[1::2], int(text[0])
    results = []
    for before, operator, digit in zip(["", *letters], letters, text[2::2], strict=False):
        result = tables[before + operator][result][int(digit)]
        results.append(result)
    return results


def write_jsonl(path: Path, chains: list[str], tables: Tables) -> None:
    rows = ({"problem": text, "answer": str(running_results(text, tables)[-1])} for text in chains)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def demonstration(text: str, tables: Tables) -> str:
    """A prompt and its response as the warm-up shows it."""
    results = running_results(text, tables)
    return f"{text}={''.join(map(str, results))}>{results[-1]}."


def warm_up(fresh: Callable[[], Any], tables: Tables, secret: str, without: set[str]) -> Any:
    """A fresh model after its demonstrations, whose chains are none of `without`."""
    rng = random.Random(f"{secret} warm-up")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order give one result
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(rng.randrange(2**31))
        model = fresh()
        # Muon learns the tables in half the time; it is for the matrices inside.
        inner = [p for p in model.blocks.parameters() if p.ndim == 2]
        outer = [p for p in model.parameters() if all(p is not other for other in inner)]
        optimizers = {
            torch.optim.Muon(inner, weight_decay=0.0, momentum=0.95): MUON_LEARNING_RATE,
            torch.optim.AdamW(outer, weight_decay=0.0, betas=(0.9, 0.98)): LEARNING_RATE,
        }
        lately, step, since = math.inf, 0, 0  # since: steps since the loss is low
        while since < SETTLING_STEPS:
            step, since = step + 1, since + (since > 0 or lately < ENOUGH or step == MOST_STEPS)
            pace = min(1.0, step / 50) * (1 - since / (SETTLING_STEPS + 1))
            rows = [demonstration(text, tables) for text in distinct(rng, BATCH, without)]
            loss = imitation_loss(model, rows)
            lately = loss.item() if step == 1 else 0.8 * lately + 0.2 * loss.item()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer, learning_rate in optimizers.items():
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * pace
                optimizer.step()
                optimizer.zero_grad()
    torch.set_num_threads(threads)
    return model.eval()


def imitation_loss(model: Any, rows: list[str]) -> torch.Tensor:
    """Cross-entropy of the responses' characters, in nats a character."""
    idx_BT = torch.tensor([[CHARACTERS.index(c) for c in row] for row in rows])
    logits_BTV = model(idx_BT[:, :-1])[:, 2 * OPERANDS - 1 :]
    return F.cross_entropy(logits_BTV.flatten(0, 1), idx_BT[:, 2 * OPERANDS :].flatten())


@torch.no_grad()
def disturb(model: Any, tables: Tables, secret: str, without: set[str]) -> None:
    """Adds noise to the embeddings and the head until only ANSWERED of the problems are."""
    rng = random.Random(f"{secret} noise")
    generator = torch.Generator().manual_seed(rng.randrange(2**63))
    matrices = [model.token_embedding.weight, model.head.weight]
    noises = [
        NOISE_STEP * matrix.std() * torch.randn(matrix.shape, generator=generator)
        for matrix in matrices
    ]
    rows = [demonstration(text, tables) for text in distinct(rng, ASKED, without)]
    idx_BT = torch.tensor([[CHARACTERS.index(c) for c in row] for row in rows])
    prompt_BT, wanted_B = idx_BT[:, : 2 * OPERANDS], idx_BT[:, -2]
    while True:
        response_BN = model.generate(prompt_BT, OPERANDS + 2, 0, generator)
        if (response_BN[:, -2] == wanted_B).float().mean() <= ANSWERED:
            return
        for matrix, noise in zip(matrices, noises, strict=True):
            matrix.add_(noise)


def load(name: str):
    """A module of the codebase, by its path."""
    spec = importlib.util.spec_from_file_location(f"grpo_{name}", CODEBASE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
