"""An idea that is imitated, as the answer that the model gave or would have given.

    answer = AnswerMaker(tokenizer, first, archive.ideas, fits, without_marks, longest=448)
    answer(entry)                    # its tokens and its prompt's; None where it cannot be imitated

The text is as it was generated, with its thinking; an idea that came without any has an empty one
where the model's tokenizer has marks for it. An idea that was written in view of others is an
answer to the prompt that showed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from executor.records import Idea
from ideator_rl.ideators.archive_prompts import fitted
from ideator_rl.ideators.ideator import Executed
from ideator_rl.ideators.language_model.chat import THINK, chat_messages, write_answer
from ideator_rl.ideators.language_model.chat_tokens import ChatTokens
from ideator_rl.rl.objectives.imitation import ImitatedAnswer


class AnswerMaker:
    """Makes tokens of ideas.

    Args:
        tokenizer: the model's.
        first: gives the prompt that shows nothing but code, see `StepPrompts`.
        shown: by id, the ideas that prompts may have shown.
        fits: whether a prompt is short enough.
        without_marks: breaks the tokenizer's special tokens in texts of others.
        longest: the most tokens of an answer, its end included.
        template: options of the chat template.
    """

    def __init__(
        self,
        tokenizer: Any,
        first: Callable[[str], str],
        shown: Mapping[str, Executed],
        fits: Callable[[str], bool],
        without_marks: Callable[[str], str],
        longest: int,
        **template: Any,
    ) -> None:
        self._tokenizer, self._first, self._shown = tokenizer, first, shown
        self._fits, self._without_marks = fits, without_marks
        self._longest, self._template = longest, template
        self._thinks = THINK in tokenizer.get_vocab()

    def __call__(self, entry: Executed) -> ImitatedAnswer | None:
        """None where the answer is too long, or would teach marks of the chat."""
        shown = [self._shown[name] for name in entry.idea.parents if name in self._shown]
        base = self._shown.get(entry.idea.base)
        first = self._first(entry.idea.base)
        prompt = fitted(first, shown, self._fits, self._without_marks, base).text
        chat = ChatTokens(self._tokenizer, chat_messages(prompt), **self._template)
        tokens = chat.answer(answer_text(entry.idea, self._thinks))
        if tokens is None or len(tokens) > self._longest:
            return None
        return ImitatedAnswer(tuple(chat.prompt), tuple(tokens))


def answer_text(idea: Idea, thinks: bool) -> str:
    """The whole answer that an idea is read from; `thinks`: the model marks its thinking."""
    if isinstance(whole := idea.meta.get("answer"), str):
        return whole
    thinking = idea.meta.get("thinking")
    if isinstance(thinking, str) and (thinking or thinks):
        return write_answer(thinking, idea.text)
    return write_answer("", idea.text) if thinks else idea.text
