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

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from executor.errors import UserError
from ideator_rl.ideators.chat import chat_messages
from ideator_rl.ideators.model_folder import count_weights, require_transformers, weight_files
from ideator_rl.ideators.sampling import sample

# Longer contexts are not used: their caches would not fit beside the weights.
MAX_CONTEXT = 32_768
DEFAULT_MAX_TOKENS = 1024
_GIB = 2**30
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Written(NamedTuple):
    """The answer to one prompt, thinking included, without the marks that ended it."""

    row: int
    text: str


class Closed(Exception):
    """The model was closed while it was writing."""


class Engine(Protocol):
    """What runs a model. `sample` may be given up from another thread by `close`."""

    stop: frozenset[int]

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        seeds: Sequence[int],
        temperature: float,
    ) -> Iterator[tuple[int, Sequence[int]]]:
        """Row and tokens of each answer, in any order. Raises Closed."""

    def close(self) -> None:
        """Gives back what the model holds."""


class LanguageModel:
    """A model with its tokenizer; `context` is in tokens, prompt and answer together.

    Its weights are float32 on a CPU, where half precision is slow, and of the checkpoint's own type
    on a GPU.

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
            raise _unloadable(folder, error) from None
        known = getattr(self._config, "max_position_embeddings", None) or MAX_CONTEXT
        self.context = min(known, MAX_CONTEXT)
        check_memory(folder, free_memory(), None if has_gpu() else 4)
        self._engine: Engine | None = None
        self._closed = False

    def encode(self, prompt: str) -> list[int]:
        """The tokens that put a prompt to the model."""
        return self._tokenizer.apply_chat_template(
            chat_messages(prompt), add_generation_prompt=True, return_dict=False
        )

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
            kind = VllmEngine if vllm_runs() else TransformersEngine
            self._engine = kind(self.folder, self._tokenizer, self._config, self.context)
        return self._engine

    def write(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        *,
        max_tokens: int | None = None,
        temperature: float = 1.0,
    ) -> Iterator[Written]:
        """One answer a prompt, see `limit`. Raises UserError when the weights do not load, and
        Closed."""
        limits = [self.limit(prompt, max_tokens) for prompt in prompts]
        engine = self.load()
        if self._closed:
            engine.close()
            raise Closed
        for row, tokens in engine.sample(prompts, limits, seeds, temperature):
            kept = tokens[:-1] if tokens and tokens[-1] in engine.stop else tokens
            yield Written(row, self._tokenizer.decode(kept, skip_special_tokens=True))

    def close(self) -> None:
        """Frees the memory; from another thread, it also ends a `write` that is under way."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()


class TransformersEngine:
    """Plain transformers, in batches that fit the memory."""

    MOST_ROWS = 32

    def __init__(self, folder: Path, tokenizer: Any, config: Any, context: int) -> None:
        from transformers import AutoModelForCausalLM

        dtype, device = ("auto", "cuda") if has_gpu() else ("float32", "cpu")
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, output_loading_info=True
            )
        except Exception as error:
            raise _unloadable(folder, error) from None
        model, found = loaded
        if found["missing_keys"]:
            names = ", ".join(sorted(found["missing_keys"])[:3])
            raise UserError(f"{folder}: weights are missing: {names}; export the model again")
        self._model: Any = model.to(device).eval()
        ends = model.generation_config.eos_token_id or tokenizer.eos_token_id
        self.stop = frozenset([ends] if isinstance(ends, int) else ends or [])
        self._pad = tokenizer.pad_token_id or 0
        self._token_bytes = _cache_bytes(config, model.dtype.itemsize)
        self._closed = threading.Event()
        # Between two tokens: a person who interrupts does not wait for the whole batch.
        self._model.register_forward_pre_hook(self._check_open)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        seeds: Sequence[int],
        temperature: float,
    ) -> Iterator[tuple[int, Sequence[int]]]:
        self._check_open()
        model = self._model
        longest = max(len(p) + limit for p, limit in zip(prompts, limits, strict=True))
        # A quarter: prompts are read at several times the memory that their cache takes.
        fitting = free_memory() // 4 // (longest * self._token_bytes)
        size = max(1, min(self.MOST_ROWS, fitting))
        for begin in range(0, len(prompts), size):
            batch = slice(begin, begin + size)
            for answer in sample(
                model,
                prompts[batch],
                limits[batch],
                seeds[batch],
                stop=self.stop,
                pad=self._pad,
                temperature=temperature,
            ):
                yield begin + answer.row, answer.tokens

    def close(self) -> None:
        self._closed.set()
        self._model = None
        import torch

        torch.cuda.empty_cache()

    def _check_open(self, *_: object) -> None:
        if self._closed.is_set():
            raise Closed


class VllmEngine:
    """vLLM, GPU or CPU build, in a process of its own."""

    MOST_ROWS = 256

    def __init__(self, folder: Path, tokenizer: Any, config: Any, context: int) -> None:
        import vllm

        # Unless it is told, vLLM takes nearly all the memory that there is.
        whole = context * _cache_bytes(config, 2 if has_gpu() else 4)
        free = free_memory() - sum(count_weights(file).bytes for file in weight_files(folder))
        try:
            self._llm = vllm.LLM(
                str(folder),
                dtype="auto" if has_gpu() else "float32",
                max_model_len=context,
                kv_cache_memory_bytes=max(whole, min(free // 2, self.MOST_ROWS * whole)),
                disable_log_stats=True,
            )
        except Exception as error:
            raise _unloadable(folder, error) from None
        ends = tokenizer.eos_token_id
        self.stop = frozenset() if ends is None else frozenset([ends])
        self._closed = False

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        limits: Sequence[int],
        seeds: Sequence[int],
        temperature: float,
    ) -> Iterator[tuple[int, Sequence[int]]]:
        from vllm import SamplingParams, TokensPrompt
        from vllm.v1.engine.exceptions import EngineDeadError

        for begin in range(0, len(prompts), self.MOST_ROWS):
            rows = range(begin, min(begin + self.MOST_ROWS, len(prompts)))
            asked = [TokensPrompt(prompt_token_ids=list(prompts[row])) for row in rows]
            how = [
                SamplingParams(temperature=temperature, max_tokens=limits[row], seed=seeds[row])
                for row in rows
            ]
            try:
                answers = self._llm.generate(asked, how, use_tqdm=False)
            except EngineDeadError:
                if self._closed:
                    raise Closed from None
                raise
            for row, answer in zip(rows, answers, strict=True):
                yield row, answer.outputs[0].token_ids

    def close(self) -> None:
        self._closed = True
        self._llm.llm_engine.engine_core.shutdown()


def vllm_runs() -> bool:
    """Whether vLLM is installed and finds the hardware that it was built for."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from vllm.platforms import current_platform
    except Exception:  # a build for other hardware, or for another torch, fails in its own ways
        return False
    return not current_platform.is_unspecified()


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def check_memory(folder: Path, free: int, bytes_a_number: int | None) -> None:
    """Raises UserError when the weights alone take more than `free` bytes; without
    `bytes_a_number` they are held as they are on disk."""
    sizes = [count_weights(file) for file in weight_files(folder)]
    needed = sum(s.numbers * bytes_a_number if bytes_a_number else s.bytes for s in sizes)
    if needed > free:
        raise UserError(
            f"{folder}: its weights need {needed / _GIB:.1f} GiB of memory, and {free / _GIB:.1f} "
            "GiB are free; use a smaller model or a larger machine"
        )


def free_memory() -> int:
    """Bytes that a model may use: of the first GPU, else of the machine or this container."""
    import torch

    if has_gpu():
        return torch.cuda.mem_get_info()[0]
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    limits = [path.read_text().strip() for path in _CONTAINER_LIMITS if path.is_file()]
    return min([free, *(int(limit) for limit in limits if limit.isdigit())])


def _cache_bytes(config: Any, number_bytes: int) -> int:
    """What one token's keys and values take in the cache of all layers."""
    heads = getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    return 2 * config.num_hidden_layers * kept * size * number_bytes


def _unloadable(folder: Path, error: Exception) -> UserError:
    return UserError(f"{folder}: the model cannot be loaded: {' '.join(str(error).split()):.300}")
