"""Documents to make tokens from: the hub's, or the text files below a folder, from any state on.

    for state, texts in folder_chunks(text_files(Path("texts")), {}):
        ...                         # `state` is where these texts can be read again

A document is one of the hub's, a file, or 100,000 characters of a longer one.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

DATASET, SAMPLE = "HuggingFaceFW/fineweb", "sample-10BT"
SUFFIXES = (".txt", ".md", ".rst", ".py")
PIECE = 100_000

# Documents, and the state from which to read them again.
Chunk = tuple[dict, list[str]]


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


def digest(files: list[Path]) -> str:
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
