"""A row of tokens that grows by whole shards, so that a kill costs no more than the one under way.

    shards = write_shards(work, vocabulary, read, apart=10_485_761, limit=None, least=1024)
    total(shards, "train")           # tokens in work/train.bin; those apart are in held_out.bin

`shards.json` has each shard's length, checksum and where to read on: the same call goes on with the
first shard that is not there or not right.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SHARD = 100_000_000


def write_shards(
    work: Path,
    vocabulary: str,
    read: Callable[[dict], Iterator[tuple[dict, list[np.ndarray]]]],
    apart: int,
    limit: int | None,
    least: int,
) -> list[dict]:
    """Write held_out.bin, `apart` tokens, then train.bin, as far as `limit` tokens in all.

    `read(state)` gives the tokens of documents from a state on, and with each batch the state from
    which to read it again; `vocabulary` says which one they are of. A shard of training ends with a
    document; of the one that ends the held-out text, training has no part. Returns the shards; each
    knows where to read on. Raises ValueError for shards of another vocabulary, and where training
    has no more than `least` tokens.
    """
    from rich.console import Console
    from rich.progress import Progress

    digest = hashlib.sha256(vocabulary.encode()).hexdigest()
    shards = finished_shards(work, digest)
    start, done = (shards[-1]["state"], shards[-1]["done"]) if shards else ({}, 0)
    rows: list[np.ndarray] = []
    waiting = 0

    def write(count: int, state: dict, done: int) -> None:
        """The next shard: `count` of the waiting tokens. It ends `done` documents after `state`."""
        nonlocal rows, waiting
        name = "train" if shards else "held_out"
        row = np.concatenate(rows)[:count]
        append(work / f"{name}.bin", row, 2 * total(shards, name))
        shards.append(
            {"file": name, "tokens": count, "sha256": hashlib.sha256(row.tobytes()).hexdigest()}
            | {"state": state, "done": done}
        )
        part = work / "shards.part"
        part.write_text(json.dumps({"vocabulary": digest, "shards": shards}))
        part.replace(work / "shards.json")
        rows, waiting = [], 0

    def enough() -> bool:
        return limit is not None and total(shards) + waiting >= limit

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("tokens", total=limit)
        for state, new in read(start):
            while done < len(new) and not enough():
                rows.append(new[done])
                waiting += len(new[done])
                done += 1
                if not shards and waiting >= apart:
                    write(apart, state, done)
                elif shards and waiting >= SHARD and not enough():
                    write(waiting, state, done)
            bar.update(task, completed=total(shards) + waiting)
            last, done = (state, done), 0
            if enough():
                break
        if shards and waiting:
            write(min(waiting, limit - total(shards)) if limit else waiting, *last)
    if total(shards, "train") <= least:
        raise ValueError(f"only {total(shards):,} tokens: too few to train on")
    return shards


def prepared_beside(work: Path, asked: dict) -> list[dict]:
    """The shards of data that lie prepared beside `work` and were asked for in the same words.

    Links them and their vocabulary into `work`. Empty where there are none, or damaged ones only.
    """
    for found in sorted(work.parent.glob("*/train/meta.json")):
        meta, train = json.loads(found.read_text()), found.parent
        if meta.get("asked") != asked:
            continue
        folders = {"train": train, "held_out": train.with_name("held_out")}
        if intact(folders, meta["shards"]) == meta["shards"]:
            tokens = [folder / f"{name}.bin" for name, folder in folders.items()]
            for path in (*tokens, train / "vocabulary.json"):
                (work / path.name).unlink(missing_ok=True)
                os.link(path, work / path.name)
            return meta["shards"]
    return []


def append(path: Path, row: np.ndarray, start: int) -> None:
    """Write a row at byte `start`, over whatever half a shard lies there."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        file.write(row.tobytes())
        file.flush()
        os.fsync(file.fileno())


def finished_shards(work: Path, digest: str) -> list[dict]:
    """The shards of an earlier attempt, up to the first whose checksum is not right."""
    if not (work / "shards.json").exists():
        return []
    kept = json.loads((work / "shards.json").read_text())
    if kept["vocabulary"] != digest:
        raise ValueError(f"{work}: its shards are of another vocabulary; remove that folder")
    return intact(dict.fromkeys(("train", "held_out"), work), kept["shards"])


def intact(folders: dict[str, Path], shards: list[dict]) -> list[dict]:
    """Those before the first whose checksum is not right; `folders` say where each file lies."""
    good: list[dict] = []
    for shard in shards:
        with (folders[shard["file"]] / f"{shard['file']}.bin").open("rb") as file:
            file.seek(2 * total(good, shard["file"]))
            if hashlib.sha256(file.read(2 * shard["tokens"])).hexdigest() != shard["sha256"]:
                break
        good.append(shard)
    return good


def total(shards: list[dict], name: str | None = None) -> int:
    """The tokens of all shards, or of those of one file."""
    return sum(shard["tokens"] for shard in shards if name in (None, shard["file"]))
