"""The small problem's data: chains of unknown operations, and a model warmed up on bad examples.

A problem is a chain of eight digits joined by seven of the operations a and b, worked from left to
right: `3a8b5b2…`. Each operation is a secret table from two digits to one, the sum or the product
modulo ten under digits exchanged at random. Nobody can work a chain in one go, but each
step is one of a hundred entries of a table, so a model that writes the running result down digit by
digit can. The warm-up shows both ways, half of its examples each: thinking with every tenth step
wrong, and a bare guess. The model that comes out of it thinks at times and errs often, which is
what reinforcement learning needs: right now and then, and nearly always within some attempts. Two
things are left to learn, to think always and to make each step right, and seven steps in a row
leave room: at 98 % a step only 87 % of the answers are right.

Why no plain arithmetic: a training script could work such problems out by itself and show the
model perfect thinking. With ordinary sums that was right 98 times in 100 after six seconds; there
is nothing to reinforce then. The tables are in no file that training sees: it has problems, their
last digits, and a model that half knows.

There are 1e10 chains, so nothing can be learnt by heart. The held-out ones are drawn first, and
neither the warm-up nor the training problems hold any of them.

The warm-up takes about twenty seconds on one core and comes out the same every time on one machine
with one version of PyTorch. A change to codebase/tiny_gpt.py asks for it again:
`ideator-rl envs prepare grpo-tiny`.
"""

import importlib.util
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F

CODEBASE = Path(__file__).parent / "codebase"
OPERANDS = 8
MODEL = {"n_layer": 2, "n_head": 4, "n_embd": 64, "block_size": 32}
CHARACTERS = "0123456789ab=>."
TRAIN, HELD_OUT = 20_000, 1_000
EXAM = {"samples": 4, "max_new_tokens": 12, "batch": 1_000}
STEPS, BATCH, LEARNING_RATE = 300, 128, 3e-3
THINKING, MISTAKES = 0.5, 0.1


def prepare(train: Path, held_out: Path, source: str | None = None) -> None:
    """Fill train/ and held_out/. Raises ValueError: there is nothing to make them from."""
    if source is not None:
        raise ValueError("the small problem makes its own data: leave --source out")
    rng = random.Random(0)
    secret = distinct(rng, HELD_OUT, set())
    write_jsonl(train / "train.jsonl", distinct(rng, TRAIN, set(secret)))
    write_jsonl(held_out / "problems.jsonl", secret)
    (held_out / "exam.json").write_text(json.dumps(EXAM))

    tiny_gpt, weights = load("tiny_gpt"), load("weights")
    config = tiny_gpt.TinyConfig(characters=CHARACTERS, **MODEL)
    model = warm_up(tiny_gpt.TinyGPT, config, rng, set(secret))
    for folder in (train / "model", held_out / "model"):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(asdict(config)))
    weights.write_weights(train / "model" / "model.safetensors", model.state_dict())
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    (held_out / "shapes.json").write_text(json.dumps(shapes))


def chain(rng: random.Random) -> str:
    first, *rest = (str(rng.randrange(10)) for _ in range(OPERANDS))
    return first + "".join(rng.choice("ab") + digit for digit in rest)


def distinct(rng: random.Random, count: int, without: set[str]) -> list[str]:
    """`count` different chains, none of them in `without`."""
    found: dict[str, None] = {}
    while len(found) < count:
        text = chain(rng)
        if text not in without:
            found[text] = None
    return list(found)


def running_results(text: str) -> list[int]:
    """The last digit after each operation, from left to right."""
    results = [int(text[0])]
    for operator, digit in zip(text[1::2], text[2::2], strict=True):
        results.append(TABLES[operator][results[-1]][int(digit)])
    return results[1:]


def secret_tables() -> dict[str, list[list[int]]]:
    """The result of each operation for each two digits."""
    rng = random.Random("the operations a and b")
    digits = range(10)
    tables = {}
    for name, operation in zip("ab", (int.__add__, int.__mul__), strict=True):
        left, right, result = (rng.sample(digits, 10) for _ in range(3))
        tables[name] = [[result[operation(left[x], right[y]) % 10] for y in digits] for x in digits]
    return tables


TABLES = secret_tables()


def write_jsonl(path: Path, chains: list[str]) -> None:
    rows = ({"problem": text, "answer": str(running_results(text)[-1])} for text in chains)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def demonstration(text: str, rng: random.Random) -> str:
    """A response as the warm-up shows it: thinking that goes on from its mistakes, or a guess."""
    if rng.random() > THINKING:
        return f">{rng.randrange(10)}."
    result, thinking = int(text[0]), ""
    for operator, digit in zip(text[1::2], text[2::2], strict=True):
        result = TABLES[operator][result][int(digit)]
        if rng.random() < MISTAKES:
            result = rng.randrange(10)
        thinking += str(result)
    return f"{thinking}>{result}."


def warm_up(model_class, config, rng: random.Random, secret: set[str]) -> torch.nn.Module:
    """A model that has seen STEPS batches of demonstrations."""
    prompt_length = 2 * OPERANDS
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order give one result
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        model = model_class(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98))
        for step in range(STEPS):
            texts = distinct(rng, BATCH, secret)
            rows = [f"{text}={demonstration(text, rng)}" for text in texts]
            longest = max(map(len, rows))
            idx_BT = torch.tensor(
                [[CHARACTERS.index(c) for c in row.ljust(longest, ".")] for row in rows]
            )
            length_B = torch.tensor([len(row) for row in rows])
            place_T = torch.arange(1, longest)
            response_BT = (place_T >= prompt_length) & (place_T < length_B[:, None])
            logits_BTV = model(idx_BT[:, :-1])
            loss = F.cross_entropy(logits_BTV[response_BT], idx_BT[:, 1:][response_BT])
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / 50) * (1 - 0.9 * step / STEPS)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    torch.set_num_threads(threads)
    return model.eval()


def load(name: str):
    """A module of the codebase, by its path."""
    spec = importlib.util.spec_from_file_location(f"grpo_{name}", CODEBASE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
