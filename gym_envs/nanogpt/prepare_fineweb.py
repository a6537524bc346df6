"""Tokens of FineWeb sample-10BT in GPT-2's vocabulary, or of any text files in one of their own.

    ideator-rl envs prepare nanogpt                        # all ten billion, 20 GB
    ideator-rl envs prepare nanogpt --tokens 1000000000    # fewer
    ideator-rl envs prepare nanogpt --source texts/        # no hub: the text files below texts/

The tokens are one row of uint16, `train.bin`, a document after the other, each closed by the token
<|endoftext|>. It grows by whole shards (`token_shards.py`), whose lengths and checksums are in
`meta.json`: after a kill the same command goes on. The first documents are held out, 10,485,760
tokens; of fewer than 200 million in all, a twentieth.

A source has a byte-level BPE of its own, trained on it: GPT-2's number of tokens, or what it has
material for. A document is a file, or 100,000 characters of a longer one. The vocabulary lies
beside the tokens as `vocabulary.json`, to be loaded with `tokenizers`.
"""

import errno
import hashlib
import importlib.util
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gym_envs.nanogpt.token_shards import total, write_shards

DATASET, SAMPLE, VOCABULARY = "HuggingFaceFW/fineweb", "sample-10BT", "openai-community/gpt2"
SUFFIXES = (".txt", ".md", ".rst", ".py")
END = "<|endoftext|>"
MOST_TOKENS = 50257  # of GPT-2's vocabulary
ALL = 10**10
HELD_OUT = 10_485_760
PIECE = 100_000
# A stream of 1,024 tokens takes 38 MB of cache at full size: what one GPU of 80 GB holds.
WINDOW, BATCH = 1024, 1024
NEEDS = ("datasets", "tokenizers")

# Documents, and the state from which to read them again.
Chunk = tuple[dict, list[str]]


def prepare(
    train: Path,
    held_out: Path,
    source: str | None = None,
    tokens: int | None = None,
    *,
    work: Path,
) -> None:
    """Fill train/ and held_out/ with `tokens` tokens in all, or as many as there are.

    `work` holds what an earlier attempt with the same source and number left. Raises ValueError
    with what is wrong and what to do.
    """
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; run: pip install 'ideator-rl[nanogpt]'")
    files = text_files(Path(source).expanduser()) if source else []
    there = sum(path.stat().st_size for path in files) // 4 if source else ALL
    wanted = min(tokens or there, there)
    windows = windows_to_hold_out(wanted)
    free = shutil.disk_usage(work).free
    if free < 2 * wanted:
        raise ValueError(
            f"{work.parent}: {wanted:,} tokens take {2 * wanted / 1e9:.1f} GB, free are "
            f"{free / 1e9:.1f}; give fewer --tokens, or set IDEATOR_RL_DATA to a larger disk"
        )
    forget_another_source(work, files)
    tokenizer = the_tokenizer(work / "vocabulary.json", files)
    read = (lambda state: folder_chunks(files, state)) if source else hub_chunks
    secret = windows * WINDOW + 1  # the first of them is predicted by nobody
    try:
        shards = write_shards(
            work,
            tokenizer.to_str(),
            lambda state: tokenized(tokenizer, read(state)),
            secret,
            tokens,
            least=WINDOW,
        )
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ValueError(
            f"{work.parent}: the disk is full; make room and run the same command again, the "
            "finished shards are kept"
        ) from None

    size = tokenizer.get_vocab_size()
    meta = {
        "dtype": "uint16",
        "vocab_size": -(-size // 128) * 128,  # the model's; multiples of 128 are faster
        "tokens_in_vocabulary": size,
        "source": "text files" if source else f"{DATASET} {SAMPLE}",
        "tokens": {name: total(shards, name) for name in ("train", "held_out")},
        "shards": [{key: shard[key] for key in ("file", "tokens", "sha256")} for shard in shards],
    }
    exam = {"windows": windows, "window": WINDOW, "batch": BATCH, "logits": "float16"}
    for folder, extra in ((train, {}), (held_out, exam)):
        # a link: a kill from here on costs nothing
        os.link(work / f"{folder.name}.bin", folder / f"{folder.name}.bin")
        shutil.copyfile(work / "vocabulary.json", folder / "vocabulary.json")
        (folder / "meta.json").write_text(json.dumps(meta | extra))


def check(train: Path, held_out: Path) -> None:
    """Raises ValueError where there are not as many tokens as were written. Reads none of them."""
    tokens = json.loads((train / "meta.json").read_text())["tokens"]
    for folder in (train, held_out):
        path = folder / f"{folder.name}.bin"
        size = path.stat().st_size if path.exists() else 0
        if size != 2 * tokens[folder.name]:
            raise ValueError(
                f"{path} holds {size:,} of {2 * tokens[folder.name]:,} bytes: half a shard; "
                "run: ideator-rl envs prepare nanogpt"
            )


def windows_to_hold_out(wanted: int) -> int:
    """Of about `wanted` tokens in all."""
    windows = min(HELD_OUT, wanted // 20) // WINDOW
    if windows == 0:
        least = 20 * WINDOW
        raise ValueError(f"about {wanted:,} tokens are too few; {least:,} are the least")
    return windows


# ----- documents


def text_files(place: Path) -> list[Path]:
    """Every text file below a folder, in an order that has nothing to do with their subjects."""
    files = [path for path in place.rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    if not files:
        raise ValueError(
            f"{place}: no text to make tokens from; --source takes a folder with files that end in "
            + ", ".join(SUFFIXES)
        )
    names = {path: path.relative_to(place).as_posix().encode() for path in files}
    return sorted(files, key=lambda path: hashlib.sha256(names[path]).digest())


def documents(files: list[Path]) -> Iterator[str]:
    for path in files:
        with path.open(encoding="utf-8", errors="replace") as file:
            while text := file.read(PIECE):
                yield text


def folder_chunks(files: list[Path], state: dict) -> Iterator[Chunk]:
    done = state.get("documents", 0)
    chunk: list[str] = []
    for number, text in enumerate(documents(files)):
        if number < done:
            continue
        chunk.append(text)
        if len(chunk) == 16:
            yield {"documents": done}, chunk
            done, chunk = number + 1, []
    yield {"documents": done}, chunk


def hub_chunks(state: dict) -> Iterator[Chunk]:
    from datasets import load_dataset

    try:
        rows = load_dataset(DATASET, name=SAMPLE, split="train", streaming=True)
        if state:
            rows.load_state_dict(state)
        before = rows.state_dict()
        chunk: list[str] = []
        for row in rows:
            chunk.append(row["text"])
            if len(chunk) == 1000:
                yield before, chunk
                before, chunk = rows.state_dict(), []
        yield before, chunk
    except Exception as error:  # whatever a network can do
        raise ValueError(unreachable(error)) from None


def unreachable(error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return (
        f"the hub did not give them ({reason}); the same command goes on where it stopped, and "
        "without a connection use: ideator-rl envs prepare nanogpt --source FOLDER, with text files"
    )


# ----- tokens


def the_tokenizer(path: Path, files: list[Path]):
    """The vocabulary that `path` holds; made first if it is not there."""
    from tokenizers import Tokenizer

    if not path.exists():
        tokenizer = train_tokenizer(files) if files else tokenizer_from_the_hub()
        tokenizer.save(str(path.with_suffix(".part")))
        path.with_suffix(".part").replace(path)
    tokenizer = Tokenizer.from_file(str(path))
    if tokenizer.token_to_id(END) is None or tokenizer.get_vocab_size() > MOST_TOKENS:
        raise ValueError(f"{path}: not a vocabulary of at most {MOST_TOKENS:,} tokens with {END}")
    return tokenizer


def train_tokenizer(files: list[Path]):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_TOKENS,
        min_frequency=16,  # what is rarer teaches nothing: few texts give a small vocabulary
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents(files), trainer)
    return tokenizer


def tokenizer_from_the_hub():
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_pretrained(VOCABULARY)
    except Exception as error:  # whatever a network can do
        raise ValueError(unreachable(error)) from None


def tokenized(tokenizer, chunks: Iterator[Chunk]) -> Iterator[tuple[dict, list[np.ndarray]]]:
    """The tokens of each document. One chunk is read while another is tokenised on every core."""
    end = tokenizer.token_to_id(END)

    def tokens(chunk: Chunk) -> tuple[dict, list[np.ndarray]]:
        state, texts = chunk
        found = tokenizer.encode_batch(texts, add_special_tokens=False)
        return state, [np.array([*text.ids, end], np.uint16) for text in found]

    with ThreadPoolExecutor(2) as pool:
        running: deque = deque()
        for chunk in chunks:
            running.append(pool.submit(tokens, chunk))
            if len(running) > 2:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def forget_another_source(work: Path, files: list[Path]) -> None:
    """Empty `work` where its files are not what they were when it was begun."""
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    mark = work / "source"
    if mark.exists() and mark.read_text() != digest:
        for path in work.glob("*.*"):
            path.unlink()
    mark.write_text(digest)
