"""What a test server is asked, and what it shall answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

FaultName = Literal[
    "408",
    "409",
    "429",
    "500",
    "529",
    "400",  # a request that this model does not take
    "401",
    "403",
    "404",
    "no_money",
    "spend_limit",  # no money, as a 429
    "invalid_json",
    "html",
    "no_choices",  # an answer without any content of the protocol
    "mid_stream",  # ends in the middle, as if it were whole
    "cut",  # ends in the middle of a chunk
    "stream_error",
    "reset",
    "silent",
]


@dataclass(frozen=True)
class Asked:
    """One request: `number` counts from 0, `text` is the last message, `system` all before them."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    system: str
    text: str


@dataclass(frozen=True)
class Reply:
    """A whole answer: after `delay_s`, in `pieces`, with `pause_s` before each further event.

    `claims` stands for every count of tokens where the server does not count honestly.
    """

    text: str = ""
    thinking: str = ""
    stop: Literal["end", "length", "refusal"] = "end"
    delay_s: float = 0.0
    pieces: int = 3
    pause_s: float = 0.0
    claims: int | None = None


@dataclass(frozen=True)
class Fault:
    """`retry_after` is the header of that name; `text` has arrived before a stream breaks."""

    name: FaultName
    retry_after: str | None = None
    text: str = "half of"


Answer = Reply | Fault


def random_faults(
    answer: Callable[[Asked], Answer], faults: Sequence[Answer], share: float, seed: int = 0
) -> Callable[[Asked], Answer]:
    """`answer`, but one of `faults` for this share of requests."""
    draw = random.Random(seed)

    def mostly(asked: Asked) -> Answer:
        return draw.choice(faults) if draw.random() < share else answer(asked)

    return mostly


def claimed(usage: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """What a server says of its tokens."""
    if reply.claims is None:
        return usage
    return {name: reply.claims if isinstance(n, int) else n for name, n in usage.items()}


def tokens(text: str) -> int:
    """About as many as a real tokenizer makes, never more than bytes."""
    return (len(text) + 3) // 4


def pieces(text: str, count: int) -> list[str]:
    step = max(1, -(-len(text) // max(1, count)))
    return [text[at : at + step] for at in range(0, len(text), step)]
