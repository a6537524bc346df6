"""A language model on disk: whether a folder is one, which weights it holds, how to ask it.

    folder = find_model("store/runs/digits-grpo-qwen3_tiny-seed0/model")   # or org/name of the hub
    fingerprint(folder)                # "9f2c…"; another model, another fingerprint
    read_answer_defaults(folder)       # AnswerDefaults(prompt="brief", max_tokens=448)

Only files are looked at: nothing here imports torch or transformers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from executor.errors import UserError
from executor.settings import AtLeast1, FieldError, Settings, convert, to_dict
from ideator_rl.ideators.language_model.chat import PromptStyle

DEFAULTS = "ideator.json"
EXTRA = "needs the extra rl-cpu (no GPU) or rl (GPU): pip install 'ideator-rl[rl-cpu]'"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
# What else decides what a model writes: its configuration, and how text becomes tokens.
_BESIDE_WEIGHTS = (
    *_TOKENIZERS,
    DEFAULTS,
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


class AnswerDefaults(Settings, frozen=True):
    """How a model was taught to be asked, see `ideators.chat`, and for how many tokens; None where
    nobody has said."""

    prompt: PromptStyle | None = None
    max_tokens: AtLeast1 | None = None


class _Tensor(msgspec.Struct):
    """An entry of a safetensors header; the one named __metadata__ has other keys."""

    shape: list[int] = []
    data_offsets: tuple[int, int] = (0, 0)


class Tensors(NamedTuple):
    """How many numbers a file of weights holds, and in how many bytes."""

    numbers: int
    bytes: int


def find_model(name: str) -> Path:
    """The folder of a checkpoint, fetched from the hub where `name` is `org/name` and no folder.

    Raises UserError when there is none, or when it lacks what asking it takes: config.json, whole
    weights, a tokenizer with a chat template.
    """
    folder = Path(name).expanduser()
    if not folder.exists():
        if not _HUB_NAME.fullmatch(name):
            raise UserError(
                f"{name}: no such model; name a checkpoint folder, or org/name of the hub"
            )
        folder = _from_hub(name)
    config = _read_json(folder / "config.json")
    if not isinstance(config, dict) or "model_type" not in config:
        raise UserError(
            f"{name}: not a model: it has no config.json that names a model_type; a model is the "
            "folder that save_pretrained writes"
        )
    if not weight_files(folder):
        raise UserError(f"{name}: the model has no weights (*.safetensors)")
    for file in weight_files(folder):
        count_weights(file)
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise UserError(f"{name}: the model has no tokenizer; save its tokenizer into the folder")
    if not _has_chat_template(folder):
        raise UserError(
            f"{name}: its tokenizer has no chat template, so it cannot be asked; put a "
            "chat_template.jinja into the folder (base models need a warm start first)"
        )
    return folder


def require_transformers() -> None:
    """Raises UserError where the package that runs models is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise UserError(f"asking a checkpoint {EXTRA}")


def weight_files(folder: Path) -> list[Path]:
    """The files of weights: safetensors, or pickles where there are none of those."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def count_weights(file: Path) -> Tensors:
    """What a file of weights holds, by its header; a pickle counts as 16-bit numbers.

    Raises UserError when it is cut short or damaged.
    """
    size = file.stat().st_size
    if file.suffix != ".safetensors":
        return Tensors(size // 2, size)
    # The format: the header's length as 8 bytes, the header as JSON, the numbers.
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length) if length < size else b""
    try:
        tensors = msgspec.json.decode(header, type=dict[str, _Tensor])
    except msgspec.MsgspecError:
        raise UserError(f"{file}: damaged: no safetensors header; export it again") from None
    tensors.pop("__metadata__", None)
    end = max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if 8 + length + end != size:
        raise UserError(f"{file}: cut short: {size} of {8 + length + end} bytes; export it again")
    return Tensors(sum(math.prod(tensor.shape) for tensor in tensors.values()), end)


def fingerprint(folder: Path) -> str:
    """16 hex digits that change with any byte of weights, tokenizer and configuration."""
    beside = [folder / name for name in sorted(_BESIDE_WEIGHTS) if (folder / name).is_file()]
    digest = hashlib.sha256()
    for file in [*weight_files(folder), *beside]:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()[:16]


def read_answer_defaults(folder: Path) -> AnswerDefaults:
    """What `write_answer_defaults` kept. Raises UserError where it cannot be understood."""
    raw = _read_json(folder / DEFAULTS)
    try:
        return AnswerDefaults() if raw is None else convert(raw, AnswerDefaults)
    except FieldError as error:
        raise UserError(f"{folder / DEFAULTS}: {error}") from None


def write_answer_defaults(folder: Path, defaults: AnswerDefaults) -> None:
    """Keeps with an exported model how to ask it: who samples from it need not know."""
    (folder / DEFAULTS).write_text(json.dumps(to_dict(defaults)) + "\n")


def _from_hub(name: str) -> Path:
    require_transformers()
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{name}: no such folder, and not to be had from the hub: {reason:.200}"
        ) from None


def _has_chat_template(folder: Path) -> bool:
    config = _read_json(folder / "tokenizer_config.json")
    return (
        (folder / "chat_template.jinja").is_file()
        or (folder / "chat_template.json").is_file()
        or (isinstance(config, dict) and bool(config.get("chat_template")))
    )


def _read_json(file: Path) -> Any:
    return _parse_json(file.read_bytes()) if file.is_file() else None


def _parse_json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
