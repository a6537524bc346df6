"""The contract of an ideator: asked for ideas, it proposes texts, as they come.

    async for batch in ideator.propose(Request("explore", 4, history, seen, baseline, rng)):
        batch[0].text                    # "[Experiment] … [Code Changes] …"

`sample` asks for first ideas, `exploit` for improvements on the ideas in `history`, which all beat
the baseline, `explore` for something new, given the ideas in `history`, failures included.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple, Protocol

from executor.errors import UserError
from executor.records import Idea, Outcome

Mode = Literal["sample", "exploit", "explore"]


class Executed(NamedTuple):
    """An idea and what came of it."""

    idea: Idea
    outcome: Outcome


@dataclass(frozen=True)
class Request:
    """What a search wants: `count` ideas of a kind, on the grounds of `history`.

    `seen` are all ideas of the run so far, none of which is to be proposed again; `baseline` is the
    mean reward of the unchanged codebase, NaN in epoch 0, when it is still running.
    """

    mode: Mode
    count: int
    history: Sequence[Executed]
    seen: Sequence[Idea]
    baseline: float
    rng: Random


@dataclass(frozen=True)
class Proposal:
    """An idea that has no name yet; `parents` are ids of ideas in the request's history."""

    text: str
    parents: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


class GaveUp(UserError):
    """An ideator that was asked in vain too often: how often, and why, in one line."""


class Ideator(Protocol):
    def propose(self, request: Request) -> AsyncGenerator[Sequence[Proposal], None]:
        """At most `request.count` proposals in all; fewer when it has no more. Raises GaveUp, and
        UserError for what no other request would mend."""

    async def close(self) -> None:
        """Gives back what it holds; on the event loop that `propose` ran on."""


async def propose_all(ideator: Ideator, request: Request) -> list[Proposal]:
    """The proposals of every batch."""
    return [proposal async for batch in ideator.propose(request) for proposal in batch]
