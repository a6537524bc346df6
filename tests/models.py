"""The smallest useful language model: random weights, real architecture, tokenizer and template."""

from __future__ import annotations

from pathlib import Path

from gym_envs import find_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library

SMALLEST = {
    "vocabulary": 512,
    "hidden_size": 64,
    "layers": 2,
    "heads": 2,
    "key_value_heads": 1,
    "intermediate_size": 96,
}


def tiny_checkpoint(folder: Path, env: str = "digits", seed: int = 0) -> Path:
    """A checkpoint folder of under 100,000 parameters, its tokenizer trained on a library."""
    from ideator_rl.rl.tiny_model import TinySizes, build_model, build_tokenizer, save_checkpoint

    sizes = TinySizes(**SMALLEST)
    atoms = load_library(find_problem(env).library)
    texts = [idea_text([(atom, default_values(atom))]) for atom in atoms]
    tokenizer = build_tokenizer(texts, sizes.vocabulary)
    save_checkpoint(build_model(sizes, tokenizer, seed), tokenizer, folder)
    return folder
