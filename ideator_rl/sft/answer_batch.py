"""Answers as tokens, each behind its prompt, and the loss on them; none is on the prompt.

task = Task(tokenizer, chat_messages(prompt), max_tokens=1024)
rows = [Row(task.prompt, task.row(sources, seed=0, index=index)) for index in range(32)]
loss = summed_loss(model, task.pad, rows) / sum(len(row.answer) for row in rows)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from executor.errors import UserError
from ideator_rl.ideators.language_model.chat import Messages
from ideator_rl.ideators.language_model.chat_tokens import ChatTokens
from ideator_rl.sft.idea_texts import Sources, make_answer

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from transformers import PreTrainedTokenizerBase

_ATTEMPTS = 1000


class Row(NamedTuple):
    """The tokens of a prompt and of an answer."""

    prompt: Sequence[int]
    answer: Sequence[int]


class Task:
    """A prompt in the tokenizer's chat template, and the answers that fit behind it."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages, max_tokens: int
    ) -> None:
        self._chat = ChatTokens(tokenizer, messages)
        self.prompt = self._chat.prompt
        self.pad: int = tokenizer.pad_token_id or tokenizer.eos_token_id
        self._room = max_tokens - len(self.prompt)

    def row(self, sources: Sources, seed: int, index: int) -> list[int]:
        """The tokens of one answer and its end; of several draws the first that fits, and that
        has no marks of the chat in its text, as an earlier idea may.

        Raises UserError when none does.
        """
        for attempt in range(_ATTEMPTS):
            tokens = self._chat.answer(make_answer(sources, seed, index, attempt))
            if tokens is not None and len(tokens) <= self._room:
                return tokens
        raise UserError(
            f"training.max_tokens: the prompt takes {len(self.prompt)} tokens and leaves room for "
            "none of the answers; raise it, or set data.prompt: brief"
        )


def summed_loss(model: Module, pad: int, rows: Sequence[Row]) -> Tensor:
    """The cross entropy of the answers' tokens, summed, in nats; `pad` fills shorter rows."""
    import torch
    import torch.nn.functional as F

    device = next(model.parameters()).device
    longest = max(len(row.prompt) + len(row.answer) for row in rows)
    # Where the first answer begins; the token before it predicts that.
    begin = min(len(row.prompt) for row in rows)
    ids_BT = torch.full((len(rows), longest), pad)
    mask_BT, learnt_BT = torch.zeros_like(ids_BT), torch.zeros_like(ids_BT)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids_BT[i, :end] = torch.tensor([*prompt, *answer])
        mask_BT[i, :end] = 1
        learnt_BT[i, len(prompt) : end] = 1
    ids_BT, mask_BT, learnt_BT = (each.to(device) for each in (ids_BT, mask_BT, learnt_BT))
    output = model(
        input_ids=ids_BT,
        attention_mask=mask_BT,
        logits_to_keep=longest - begin + 1,
        use_cache=False,
    )
    logits_BLV = output.logits[:, :-1].float()
    losses_N = F.cross_entropy(
        logits_BLV.flatten(0, 1), ids_BT[:, begin:].flatten(), reduction="none"
    )
    return (losses_N * learnt_BT[:, begin:].flatten()).sum()
