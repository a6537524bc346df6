"""The contract of an ideator: asked for ideas, it yields proposals as soon as it has them.

    async for batch in ideator.propose(IdeaRequest("explore", 4, history, seen, baseline, rng)):
        batch[0].text                    # "[Experiment] … [Code Changes] …"

`sample` asks for first ideas, `exploit` for improvements on the ideas in `history`, which all beat
the baseline, `explore` for something new, given the ideas in `history`, failures included.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from executor.errors import UserError
from executor.records import Idea, Outcome

if TYPE_CHECKING:
    from ideator_rl.analysis.idea_kinds import Change

Mode = Literal["sample", "exploit", "explore"]


class Executed(NamedTuple):
    """An idea and its outcome; `change` is how its code differs from the baseline, for search
    methods that ask for it, see `search/methods.py`."""

    idea: Idea
    outcome: Outcome
    change: Change | None = None


@dataclass(frozen=True)
class IdeaRequest:
    """What a search asks an ideator for.

    Args:
        mode: the kind of ideas.
        count: how many ideas, at most.
        history: the executed ideas to learn from.
        seen: all ideas of the run so far, none of which is to be proposed again.
        baseline: the mean reward of the unpatched codebase; NaN in epoch 0, while it still runs.
        rng: the only source of randomness, so that a resumed search repeats its proposals.
        parent: the idea to build on, where the search has chosen one; it is in `history`.
        base: the parent's codebase, path to text, where the ideas are edits of it (`search.base:
            parent`); without it they are edits of the baseline.
    """

    mode: Mode
    count: int
    history: Sequence[Executed]
    seen: Sequence[Idea]
    baseline: float
    rng: Random
    parent: Executed | None = None
    base: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Proposal:
    """An idea without an id.

    Args:
        text: `[Experiment] … [Code Changes] …`.
        parents: the ids of the ideas in the request's history that it builds on.
        meta: JSON values that are stored with the idea.
    """

    text: str
    parents: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


class GaveUp(UserError):
    """Too many requests in a row gave no new idea; the message says how many, and why."""


class Ideator(Protocol):
    """Writes ideas. A new kind implements these two methods."""

    def propose(self, request: IdeaRequest) -> AsyncGenerator[Sequence[Proposal], None]:
        """Writes new ideas.

        Args:
            request: which ideas are wanted, and what is known so far.

        Yields:
            Batches of proposals as soon as they exist: at most `request.count` in all, fewer when
            the ideator has no more.

        Raises:
            GaveUp: too many requests in a row gave no new idea.
            UserError: an error that another request would not avoid.
        """

    async def close(self) -> None:
        """Releases its resources. Called on the event loop that `propose` ran on."""


async def propose_all(ideator: Ideator, request: IdeaRequest) -> list[Proposal]:
    """The proposals of every batch."""
    return [proposal async for batch in ideator.propose(request) for proposal in batch]
