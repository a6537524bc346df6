"""A checkpoint that answers prompts: through vLLM where it runs, else through transformers.

    model = LanguageModel(find_model("store/runs/digits-grpo-qwen3_tiny-seed0/model"))
    prompt = model.encode("Write one idea.")               # tokens, the chat template applied
    for row, text in model.write([prompt] * 64, seeds=range(64), max_tokens=448):
        ...                                                # as answers end
    model.close()

The weights are loaded when they are first needed. What a row draws depends on its seed, not on its
neighbours; the whole distribution is sampled (top_p 1, no top_k). The same seeds give the same
texts on the same machine and engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from executor.errors import UserError
from ideator_rl.ideators.language_model.chat import chat_messages
from ideator_rl.ideators.language_model.engines import Closed, Engine, open_engine, unloadable
from ideator_rl.ideators.language_model.marks import mark_breaker
from ideator_rl.ideators.language_model.memory import check_memory, free_memory, has_gpu
from ideator_rl.ideators.language_model.model_folder import require_transformers
from ideator_rl.ideators.language_model.sampling import Asked

# Longer contexts are not used: their caches would not fit beside the weights.
MAX_CONTEXT = 32_768
DEFAULT_MAX_TOKENS = 1024


class WrittenAnswer(NamedTuple):
    """The answer to one prompt, thinking included, without the marks that ended it."""

    row: int
    text: str


class LanguageModel:
    """A model with its tokenizer; `context` is in tokens, prompt and answer together.

    Raises UserError when the extra is missing, the memory too small, or files cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        require_transformers()
        from transformers import AutoConfig, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self.folder = folder
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
            self._config = AutoConfig.from_pretrained(folder).get_text_config()
        except Exception as error:  # broken files fail in as many ways as there are formats
            raise unloadable(folder, error) from None
        known = getattr(self._config, "max_position_embeddings", None) or MAX_CONTEXT
        self.context = min(known, MAX_CONTEXT)
        check_memory(folder, free_memory(), None if has_gpu() else 4)
        self._break_marks = mark_breaker(self._tokenizer)
        self._engine: Engine | None = None
        self._closed = False

    def encode(self, prompt: str) -> list[int]:
        """The tokens that put a prompt to the model."""
        return self._tokenizer.apply_chat_template(
            chat_messages(prompt), add_generation_prompt=True, return_dict=False
        )

    def without_marks(self, text: str) -> str:
        """A text of others in which the tokenizer finds no end of a turn, no thinking and the like:
        such marks get a backslash behind their first character."""
        return self._break_marks(text)

    def count(self, text: str) -> int:
        """The tokens of a text."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def room(self, max_tokens: int | None) -> int:
        """The most tokens that a prompt may have beside an answer of `max_tokens`; without it,
        beside one of DEFAULT_MAX_TOKENS or of half the context."""
        return self.context - (max_tokens or min(DEFAULT_MAX_TOKENS, self.context // 2))

    def limit(self, prompt: Sequence[int], max_tokens: int | None) -> int:
        """The most tokens of an answer to a prompt: `max_tokens`, by default DEFAULT_MAX_TOKENS or
        what the context leaves. Raises UserError when it leaves too little."""
        left = self.context - len(prompt)
        if left < (max_tokens or 1):
            raise UserError(
                f"{self.folder}: a prompt of {len(prompt)} tokens leaves {max(0, left)} of the "
                f"model's {self.context} for an answer"
                + (f", and max_tokens is {max_tokens}; lower it" if max_tokens else "; shorten it")
                + " (prompt: brief is the short one)"
            )
        return max_tokens or min(left, DEFAULT_MAX_TOKENS)

    def load(self) -> Engine:
        """Loads the weights, once. Raises UserError."""
        if self._engine is None:
            self._engine = open_engine(self.folder, self._tokenizer, self._config, self.context)
        return self._engine

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        *,
        max_tokens: int | None = None,
        temperature: float = 1.0,
    ) -> Iterator[WrittenAnswer]:
        """One answer a prompt, see `limit`. Raises UserError when the weights do not load, and
        Closed."""
        asked = [
            Asked(prompt, self.limit(prompt, max_tokens), seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        engine = self.load()
        if self._closed:
            engine.close()
            raise Closed
        for row, tokens in engine.sample(asked, temperature):
            kept = tokens[:-1] if tokens and tokens[-1] in engine.stop else tokens
            yield WrittenAnswer(row, self._tokenizer.decode(kept, skip_special_tokens=True))

    def close(self) -> None:
        """Frees the memory; from another thread, it also ends a `write` that is under way."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
