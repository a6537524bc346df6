"""Tokens of FineWeb sample-10BT in GPT-2's vocabulary, or of any text files in one of their own.

    ideator-rl envs prepare nanogpt                        # all ten billion, 20 GB
    ideator-rl envs prepare nanogpt --tokens 1000000000    # fewer
    ideator-rl envs prepare nanogpt --source texts/        # no hub: the text files below texts/

The tokens are one row of uint16, `train.bin`, a document after the other, each closed by the token
<|endoftext|>. It grows by whole shards (`token_shards.py`), whose lengths and checksums are in
`meta.json`: after a kill the same command goes on. The first documents are held out, 12,583,936
tokens; of fewer than 250 million in all, a twentieth. The secret of the machine says where in them
lie the windows that are examined, 10,485,760 tokens, and the million tokens in a row that only the
end of a search examines. Nothing else depends on it: with another secret, or a changed script, the
tokens that lie prepared beside are taken over by links.

A source has a byte-level BPE of its own, trained on it: GPT-2's number of tokens, or what it has
material for. The vocabulary lies beside the tokens as `vocabulary.json`, to be loaded with
`tokenizers`.
"""

import errno
import importlib.util
import json
import os
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fineweb_texts import (
    DATASET,
    SAMPLE,
    Chunk,
    digest,
    documents,
    folder_chunks,
    hub_chunks,
    text_files,
    unreachable,
)
from token_shards import prepared_beside, total, write_shards

VOCABULARY = "openai-community/gpt2"
END = "<|endoftext|>"
MOST_TOKENS = 50257  # of GPT-2's vocabulary
ALL = 10**10
# Of the windows held out, one is lost to where the secret lets them begin, a twelfth is for the
# end of a search, and ten of eleven that are left, 10,240, are examined.
HELD_OUT = 12_289 * 1024
LEAST_WINDOWS = 3
# A stream of 1,024 tokens takes 38 MB of cache at full size: what one GPU of 80 GB holds.
WINDOW, BATCH = 1024, 1024
NEEDS = ("datasets", "tokenizers")


def prepare(
    train: Path,
    held_out: Path,
    source: str | None = None,
    tokens: int | None = None,
    *,
    secret: str,
    final: Path,
    work: Path,
) -> None:
    """Fill the folders with `tokens` tokens in all, or as many as there are.

    `work` holds what an earlier attempt with the same source and number left. Raises ValueError
    with what is wrong and what to do.
    """
    files = text_files(Path(source).expanduser()) if source else []
    there = sum(path.stat().st_size for path in files) // 4 if source else ALL
    wanted = min(tokens or there, there)
    windows = windows_to_hold_out(wanted)
    apart = windows * WINDOW + 1  # the first of them is predicted by nobody
    facts = digest(files)
    asked = {"source": facts if files else f"{DATASET} {SAMPLE}", "tokens": tokens, "apart": apart}
    shards = prepared_beside(work, asked)
    if not shards:
        make_room(work, wanted)
        forget_another_source(work, facts)
        shards = tokenised(work, files, apart, tokens)

    size = vocabulary(work / "vocabulary.json").get_vocab_size()
    meta = {
        "dtype": "uint16",
        "vocab_size": -(-size // 128) * 128,  # the model's; multiples of 128 are faster
        "tokens_in_vocabulary": size,
        "source": "text files" if source else f"{DATASET} {SAMPLE}",
        "asked": asked,
        "tokens": {name: total(shards, name) for name in ("train", "held_out")},
        "shards": [{key: shard[key] for key in ("file", "tokens", "sha256")} for shard in shards],
    }
    exam = {"window": WINDOW, "batch": BATCH, "logits": "float16"}
    examined, last = starts(windows, secret)
    np.save(held_out / "starts.npy", examined)
    np.save(final / "starts.npy", last)
    parts = {train: "train.bin", held_out: "held_out.bin", final: "held_out.bin"}
    for folder, name in parts.items():
        # a link: a kill from here on costs nothing
        os.link(work / name, folder / name)
        shutil.copyfile(work / "vocabulary.json", folder / "vocabulary.json")
        (folder / "meta.json").write_text(json.dumps(meta | ({} if folder == train else exam)))


def starts(windows: int, secret: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the examined windows begin, and those of the end, of a row of windows * WINDOW + 1
    tokens; none overlaps another."""
    rng = np.random.default_rng(list(f"{secret} windows".encode()))
    places = rng.integers(WINDOW) + WINDOW * np.arange(windows - 1)
    last = max(1, windows // 12)
    first = rng.integers(len(places) - last + 1)
    others = np.delete(places, np.s_[first : first + last])
    examined = rng.choice(others, max(1, len(others) * 10 // 11), replace=False)
    return examined, places[first : first + last]


def make_room(work: Path, wanted: int) -> None:
    """Raises ValueError where `wanted` tokens cannot be made or kept."""
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; run: pip install 'ideator-rl[nanogpt]'")
    free = shutil.disk_usage(work).free
    if free < 2 * wanted:
        raise ValueError(
            f"{work.parent}: {wanted:,} tokens take {2 * wanted / 1e9:.1f} GB, free are "
            f"{free / 1e9:.1f}; give fewer --tokens, or set IDEATOR_RL_DATA to a larger disk"
        )


def tokenised(work: Path, files: list[Path], apart: int, tokens: int | None) -> list[dict]:
    """The shards of all documents, made in `work` as far as they are not there."""
    tokenizer = the_tokenizer(work / "vocabulary.json", files)
    read = (lambda state: folder_chunks(files, state)) if files else hub_chunks
    try:
        return write_shards(
            work,
            tokenizer.to_str(),
            lambda state: tokenized(tokenizer, read(state)),
            apart,
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
    if windows < LEAST_WINDOWS:
        least = 20 * LEAST_WINDOWS * WINDOW
        raise ValueError(f"about {wanted:,} tokens are too few; {least:,} are the least")
    return windows


# ----- tokens


def the_tokenizer(path: Path, files: list[Path]):
    """The vocabulary that `path` holds; made first if it is not there."""
    if not path.exists():
        tokenizer = train_tokenizer(files) if files else tokenizer_from_the_hub()
        tokenizer.save(str(path.with_suffix(".part")))
        path.with_suffix(".part").replace(path)
    return vocabulary(path)


def vocabulary(path: Path):
    """The tokenizer of a file. Raises ValueError where it is none of ours."""
    from tokenizers import Tokenizer

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


def forget_another_source(work: Path, facts: str) -> None:
    """Empty `work` where its files are not what they were when it was begun."""
    mark = work / "source"
    if mark.exists() and mark.read_text() != facts:
        for path in work.glob("*.*"):
            path.unlink()
    mark.write_text(facts)
