"""An idea of somebody else, and what is claimed of it.

    claims = as_claims(rows, problem)
    claims[17].id, claims[17].reward                       # "claim-00017", 0.93
    as_executed(claims[17], failure=0.0)                   # for an ideator to read

A claim is no outcome: nothing that was not measured here is the best of anything, stands in for a
trial, or is confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from executor.problem.problem import Problem
from executor.records import Idea, Outcome
from executor.store.decisions import StrictRecord
from executor.text.outside_text import clean_line, clean_text
from ideator_rl.claims.foreign_row import ForeignRow, metrics_of
from ideator_rl.ideators.ideator import Executed

_LONGEST_TEXT, _LONGEST_NAME, _MOST_PARENTS, _MOST_EPOCH = 200_000, 200, 100, 10**6


@dataclass(frozen=True)
class Claim(StrictRecord):
    """An idea and its claimed result. `parents` are ids of the same set, `diff` is the change to a
    baseline that need not be ours, `reward` is None where none is claimed."""

    id: str
    text: str
    epoch: int = 0
    parents: tuple[str, ...] = ()
    thinking: str = ""
    ideator_model: str = ""
    implementer_model: str = ""
    diff: str = ""
    status: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    reward: float | None = None
    version: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether somebody says that it completed, with a reward."""
        return self.reward is not None and self.status in ("completed", "")


def as_claims(rows: Sequence[ForeignRow], problem: Problem) -> list[Claim]:
    """Rows on a problem as claims, their texts cleaned.

    They get ids of their own, since those of a set may be anything; parents that are no rows are
    left out. Where a row has no reward, the problem's rule makes it of the metrics, and a result of
    a single number is taken for the metric that the rule asks for.
    """
    ids = {(row.run, str(row.id)): _claim_id(n) for n, row in enumerate(rows) if row.id is not None}
    return [_claim(row, number, problem, ids) for number, row in enumerate(rows)]


def as_idea(claim: Claim) -> Idea:
    """The idea of a claim, without what is claimed of it."""
    told = {"thinking": claim.thinking, "model": claim.ideator_model}
    meta = {name: text for name, text in told.items() if text}
    return Idea(claim.id, claim.text, claim.epoch, "import", claim.parents, meta)


def as_executed(claim: Claim, failure: float) -> Executed:
    """What an ideator is shown: an idea that was not executed, the claim being the reason's text;
    its reward is `failure`, the problem's own."""
    status = claim.status or ("completed" if claim.succeeded else "failed")
    told = [] if claim.reward is None else [f"reward {claim.reward:.4g}"]
    told += [f"{name} {value:.4g}" for name, value in claim.metrics.items()]
    detail = ", ".join([f"not executed here; claimed elsewhere: {status}", *told])
    return Executed(
        as_idea(claim), Outcome(claim.id, "cancelled", failure, "implement", detail=detail)
    )


def _claim_id(number: int) -> str:
    return f"claim-{number:05d}"


def _claim(
    row: ForeignRow, number: int, problem: Problem, ids: Mapping[tuple[str | None, str], str]
) -> Claim:
    metrics = metrics_of(row.result)
    parents = [ids.get((row.run, str(parent))) for parent in (row.parents or [])[:_MOST_PARENTS]]
    reward = _reward(metrics, problem) if row.reward is None else row.reward
    return Claim(
        id=_claim_id(number),
        text=clean_text(row.idea, _LONGEST_TEXT),
        epoch=min(max(row.epoch or 0, 0), _MOST_EPOCH),
        parents=tuple(parent for parent in parents if parent),
        thinking=clean_text(row.thinking or "", _LONGEST_TEXT),
        ideator_model=clean_line(row.ideator_model or "", _LONGEST_NAME),
        implementer_model=clean_line(row.executor_model or "", _LONGEST_NAME),
        diff=clean_text(row.code_diff or "", _LONGEST_TEXT),
        status=clean_line(row.status or "", _LONGEST_NAME),
        metrics=metrics,
        reward=reward if reward is not None and math.isfinite(reward) else None,
        version=clean_line(row.problem_version or "", _LONGEST_NAME),
    )


def _reward(metrics: Mapping[str, float], problem: Problem) -> float | None:
    named = dict(metrics)
    if len(named) == 1:
        named.setdefault(problem.file.reward.metric, *metrics.values())
    try:
        return problem.reward(named)
    except ValueError:
        return None
