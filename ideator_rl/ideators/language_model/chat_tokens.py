"""A chat of one turn as tokens: the prompt in a tokenizer's template, and answers to it.

chat = ChatTokens(tokenizer, chat_messages(prompt))
chat.prompt                                          # up to where the model begins to write
chat.answer("<think>Why not.</think>[Experiment] …")       # what it would write, its end too
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ideator_rl.ideators.language_model.chat import END_THINK, THINK, Messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ChatTokens:
    """`options` are the template's, as `enable_thinking`."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages, **options: Any
    ) -> None:
        text = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, **options
        )
        assert isinstance(text, str)
        # Some templates open the thinking themselves.
        self._begun = THINK if text.rstrip().endswith(THINK) else ""
        self._tokenizer = tokenizer
        self.prompt: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        self._marks = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}

    def answer(self, text: str) -> list[int] | None:
        """The tokens of an answer and of its end; None where its text has marks of the chat, or
        ends its thinking twice."""
        tokens = self._tokenizer(text.removeprefix(self._begun), add_special_tokens=False).input_ids
        if text.count(END_THINK) > 1 or not self._marks.isdisjoint(tokens):
            return None
        return [*tokens, self._tokenizer.eos_token_id]
