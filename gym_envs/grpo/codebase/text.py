"""Text for the policy: its tokenizer, and the prompt that a problem is put in.

    tokenizer = load_tokenizer(data_dir / "model")
    ids = tokenizer.encode(prompt("3a8b5", tiny=True))     # the ids of "3a8b5="
    tokenizer.decode(ids), tokenizer.end

At full size a prompt asks for reasoning inside <think> and the result inside <answer>. At tiny size
the prompt is the chain and an equals sign; a response thinks in digits, `>` begins the result
and `.` ends it.
"""

import json
from pathlib import Path

MATH_PROMPT = """\
Below, a reader poses a mathematics problem and a careful solver works on it. The solver first \
reasons step by step between <think> and </think>, trying and checking ideas, and then states \
nothing but the result between <answer> and </answer>.

Problem: {problem}

Solver: <think>"""


def prompt(problem: str, *, tiny: bool) -> str:
    return f"{problem}=" if tiny else MATH_PROMPT.replace("{problem}", problem)


class Characters:
    """One token a character; the last character of the vocabulary ends a text."""

    def __init__(self, characters: str):
        self.characters = characters
        self.end = len(characters) - 1
        self._ids = {character: id for id, character in enumerate(characters)}

    def encode(self, text: str) -> list[int]:
        return [self._ids[character] for character in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(self.characters[id] for id in ids)


class Pieces:
    """The tokenizer of a transformers model."""

    def __init__(self, folder: Path):
        try:
            from transformers import AutoTokenizer
        except ImportError:
            raise SystemExit("no transformers here: pip install 'ideator-rl[grpo]'") from None
        self.inner = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.end = self.inner.eos_token_id

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text, add_special_tokens=False)

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(ids, skip_special_tokens=True)


def load_tokenizer(folder: Path) -> Characters | Pieces:
    config = json.loads((folder / "config.json").read_text())
    tiny = config["model_type"] == "tiny_gpt"
    return Characters(config["characters"]) if tiny else Pieces(folder)
