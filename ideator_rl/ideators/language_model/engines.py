"""What runs a language model's weights: vLLM where it finds its hardware, else plain transformers.

    engine = open_engine(folder, tokenizer, config, context=2048)
    for row, tokens in engine.sample([Asked(prompt, limit=448, seed=0)], temperature=1.0):
        ...                                                # as answers end
    engine.close()

Weights are float32 on a CPU, where half precision is slow, and of the checkpoint's own type on a
GPU.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from executor.causes import cause_of
from executor.errors import UserError
from executor.text.outside_text import clean_line
from ideator_rl.ideators.language_model.memory import free_memory, has_gpu
from ideator_rl.ideators.language_model.model_folder import count_weights, weight_files
from ideator_rl.ideators.language_model.sampling import Asked, sample

_log = logging.getLogger(__name__)


class Closed(Exception):
    """The model was closed while it was writing."""


class Engine(Protocol):
    """What runs a model. `sample` may be given up from another thread by `close`."""

    stop: frozenset[int]

    def sample(
        self, asked: Sequence[Asked], temperature: float
    ) -> Iterator[tuple[int, Sequence[int]]]:
        """Row and tokens of each answer, in any order. Raises Closed."""

    def close(self) -> None:
        """Gives back what the model holds."""


def open_engine(folder: Path, tokenizer: Any, config: Any, context: int) -> Engine:
    """Loads the weights. Raises UserError."""
    kind = VllmEngine if vllm_runs() else TransformersEngine
    return kind(folder, tokenizer, config, context)


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
            raise unloadable(folder, error) from None
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
        self, asked: Sequence[Asked], temperature: float
    ) -> Iterator[tuple[int, Sequence[int]]]:
        self._check_open()
        model = self._model
        longest = max(len(prompt) + limit for prompt, limit, _ in asked)
        # A quarter: prompts are read at several times the memory that their cache takes.
        fitting = free_memory() // 4 // (longest * self._token_bytes)
        size = max(1, min(self.MOST_ROWS, fitting))
        for begin in range(0, len(asked), size):
            batch = asked[begin : begin + size]
            for answer in sample(
                model, batch, stop=self.stop, pad=self._pad, temperature=temperature
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

        # By default vLLM takes nearly all of the memory.
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
            raise unloadable(folder, error) from None
        ends = tokenizer.eos_token_id
        self.stop = frozenset() if ends is None else frozenset([ends])
        self._closed = False

    def sample(
        self, asked: Sequence[Asked], temperature: float
    ) -> Iterator[tuple[int, Sequence[int]]]:
        from vllm import SamplingParams, TokensPrompt
        from vllm.v1.engine.exceptions import EngineDeadError

        for begin in range(0, len(asked), self.MOST_ROWS):
            batch = asked[begin : begin + self.MOST_ROWS]
            prompts = [TokensPrompt(prompt_token_ids=list(prompt)) for prompt, _, _ in batch]
            how = [
                SamplingParams(temperature=temperature, max_tokens=limit, seed=seed)
                for _, limit, seed in batch
            ]
            try:
                answers = self._llm.generate(prompts, how, use_tqdm=False)
            except EngineDeadError:
                if self._closed:
                    raise Closed from None
                raise
            for row, answer in enumerate(answers, begin):
                yield row, answer.outputs[0].token_ids

    def close(self) -> None:
        self._closed = True
        self._llm.llm_engine.engine_core.shutdown()


def vllm_runs() -> bool:
    """Whether vLLM is installed and finds the hardware that it was built for. An installed vLLM
    that cannot be imported is logged."""
    if find_spec("vllm") is None:
        return False
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from vllm.platforms import current_platform
    except Exception as error:  # a build for another torch fails in its own ways
        _log.warning(
            "vLLM is installed and cannot be imported, so transformers runs the model: %s; "
            "install vLLM's build for this machine, or uninstall it",
            clean_line(str(error), 300),
        )
        _log.debug("%s", cause_of(error))
        return False
    return not current_platform.is_unspecified()


def _cache_bytes(config: Any, number_bytes: int) -> int:
    """What one token's keys and values take in the cache of all layers."""
    heads = getattr(config, "num_attention_heads", None) or 1
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    return 2 * config.num_hidden_layers * kept * size * number_bytes


def unloadable(folder: Path, error: Exception) -> UserError:
    """What is said of a model's files that do not load."""
    return UserError(f"{folder}: the model cannot be loaded: {' '.join(str(error).split()):.300}")
