"""A language model from nothing: Qwen3's architecture, small, with a tokenizer of its own.

    tokenizer = build_tokenizer(texts, vocabulary=4096)
    model = build_model(TinySizes(), tokenizer, seed=0)
    save_checkpoint(model, tokenizer, folder)     # AutoModelForCausalLM, AutoTokenizer load it

For machines that cannot, or may not, download one: it knows what its warm start teaches it, and no
more. The tokenizer encodes every Unicode text and is cheap on texts like those it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from executor.settings import AtLeast1, Settings
from ideator_rl.ideators.language_model.chat import END_THINK, THINK

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# ChatML, as Qwen3 has it.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Where no token reaches across: after a digit, a clause and a line. Within, whole phrases may
# become one token, which makes an idea three times shorter than a token a word would.
_PIECES = r"\p{N}|(?:[^\n\p{N}.,:;]|[.,:;](?! ))+[.,:;]?\n*|[.,:;]|\n+"


class TinySizes(Settings, frozen=True):
    """Qwen3's sizes, made small: about 0.9 million parameters, half of them the embedding, which
    the last layer shares."""

    vocabulary: AtLeast1 = 4096
    hidden_size: AtLeast1 = 128
    layers: AtLeast1 = 2
    heads: AtLeast1 = 4
    key_value_heads: AtLeast1 = 2
    intermediate_size: AtLeast1 = 384
    context: AtLeast1 = 2048


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer of at most `vocabulary` tokens (at least 261), with ChatML.

    The marks around thinking are tokens that survive `decode(skip_special_tokens=True)`.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    marks = [AddedToken(mark, normalized=False, special=False) for mark in (THINK, END_THINK)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(marks),
        min_frequency=2,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens(marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(sizes: TinySizes, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A randomly initialised model; the seed determines every weight."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_value_heads,
        head_dim=sizes.hidden_size // sizes.heads,
        max_position_embeddings=sizes.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)


def save_checkpoint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Writes a checkpoint folder: config.json, model.safetensors, the tokenizer's files."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
