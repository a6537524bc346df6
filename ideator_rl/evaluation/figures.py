"""What an evaluation found, as a pure function of sampled ideas and their outcomes.

    found = summarize(header, [Drawn("a", "checkpoint", samples, outcomes), …], sizes=(1, 4, 16))
    found.rows[0].best_at_k[4], found.comparisons[0].differences[1].low
    from_json(to_json(found)) == found

Rewards are in the problem's own unit, a failed idea's is the failure reward; shares are between 0
and 1, lengths in tokens, times in wall seconds.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from executor.errors import UserError
from executor.records import Outcome, Status
from ideator_rl.analysis.best_at_k import best_at_k
from ideator_rl.analysis.diversity import distinct, mean_similarity
from ideator_rl.analysis.metrics import StageFlow, distinct_codebases, stage_flow, status_counts
from ideator_rl.analysis.paired_bootstrap import Difference, paired_difference
from ideator_rl.analysis.shown_text import MAX_TEXT_CHARS, clean

RowKind = Literal["checkpoint", "api", "plugin", "library", "baseline"]
# What is compared: the others are what to compare with.
MODELS: tuple[RowKind, ...] = ("checkpoint", "api", "plugin")
SHOWN_IDEAS = 3


@dataclass(frozen=True)
class WrittenIdea:
    """An idea as it was sampled; lengths are None where no model of ours wrote it, `cost` in US
    dollars where none was paid."""

    idea_id: str
    text: str
    title: str
    thinking_tokens: int | None
    idea_tokens: int | None
    seconds: float
    cost: float | None = None


@dataclass(frozen=True)
class Drawn:
    """A row: where its ideas come from, the ideas by index, and the outcome of each."""

    name: str
    kind: RowKind
    model: str
    ideas: Sequence[WrittenIdea]
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class IdeaResult:
    """How a sample ended."""

    idea_id: str
    status: Status
    reward: float


@dataclass(frozen=True)
class BestIdea:
    """One of the best ideas of a row, and how many of its samples are that very text."""

    idea_id: str
    title: str
    text: str
    reward: float
    times: int


@dataclass(frozen=True)
class Mean:
    """A mean with its standard error, which is None for one value."""

    value: float
    error: float | None


@dataclass(frozen=True)
class SourceFigures:
    """The figures of `n` ideas from one source, or of the baseline on `n` seeds.

    `mean` is over all, `completed_mean` over those that completed (None without). `best_at_k` has
    the asked k up to `n`, `curve` every k from 1 to n. `distinct` and `similarity` compare texts,
    see `diversity`. `codebases` were run, once each, in `trial_s`; sampling took `sampling_s` and
    cost `sampling_usd`.
    """

    name: str
    kind: RowKind
    model: str
    n: int
    completed: float
    flow: tuple[StageFlow, ...]
    statuses: Mapping[Status, int]
    mean: Mean
    completed_mean: Mean | None
    best_at_k: Mapping[int, float]
    curve: tuple[float, ...]
    above_baseline: float
    distinct: int
    similarity: float | None
    thinking_tokens: float | None
    idea_tokens: float | None
    codebases: int
    trial_s: float
    sampling_s: float
    best_ideas: tuple[BestIdea, ...]
    results: tuple[IdeaResult, ...]
    sampling_usd: float | None = None


@dataclass(frozen=True)
class Comparison:
    """`row` against `against`: the difference of their best@k, by k."""

    row: str
    against: str
    differences: Mapping[int, Difference]


@dataclass(frozen=True)
class EvaluationHeader:
    """What was evaluated; `implementer` is the model that wrote the code, empty where ideas carried
    their own; `sandbox` says how code was locked in."""

    env: str
    problem: str
    title: str
    run: str
    url: str
    n: int
    k: tuple[int, ...]
    seed: int
    trial_seed: int
    temperature: float
    implementer: str
    sandbox: str
    recipe: str


@dataclass(frozen=True)
class Evaluation:
    """Everything that was found: rows in the order models, library, baseline."""

    header: EvaluationHeader
    rows: tuple[SourceFigures, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def baseline(self) -> SourceFigures:
        return self.rows[-1]


def summarize(
    header: EvaluationHeader, drawn: Sequence[Drawn], baselines: Sequence[Outcome]
) -> Evaluation:
    """Every row's figures, and the models after the first compared with the first."""
    level = statistics.fmean(outcome.reward for outcome in baselines)
    unpatched = Drawn("baseline", "baseline", "", (), baselines)
    rows = tuple(_row(one, header.k, level) for one in (*drawn, unpatched))
    models = [row for row in rows if row.kind in MODELS]
    comparisons = tuple(compare(row, models[0], header.k) for row in models[1:])
    return Evaluation(header, rows, comparisons)


def compare(row: SourceFigures, against: SourceFigures, sizes: Sequence[int]) -> Comparison:
    """Two rows, their samples paired by index, see `paired_bootstrap`."""
    ours, theirs = ([result.reward for result in r.results] for r in (row, against))
    differences = {k: paired_difference(ours, theirs, k) for k in sizes if k <= row.n}
    return Comparison(row.name, against.name, differences)


def _row(drawn: Drawn, sizes: Sequence[int], baseline: float) -> SourceFigures:
    outcomes, ideas = drawn.outcomes, drawn.ideas
    rewards = [outcome.reward for outcome in outcomes]
    completed = [outcome.reward for outcome in outcomes if outcome.completed]
    curve = tuple(best_at_k(rewards, k) for k in range(1, len(rewards) + 1))
    # Neither is the best of several runs of one codebase a result, nor is it an idea.
    shown = sizes if drawn.kind != "baseline" else (1,)
    ran = {outcome.content_hash: outcome for outcome in outcomes if outcome.content_hash}
    return SourceFigures(
        name=clean(drawn.name),
        kind=drawn.kind,
        model=clean(drawn.model, MAX_TEXT_CHARS),
        n=len(outcomes),
        completed=len(completed) / len(outcomes),
        flow=stage_flow(outcomes),
        statuses=status_counts(outcomes),
        mean=_mean(rewards),
        completed_mean=_mean(completed) if completed else None,
        best_at_k={k: curve[k - 1] for k in shown if k <= len(curve)},
        curve=curve if drawn.kind != "baseline" else curve[:1],
        above_baseline=sum(reward > baseline for reward in completed) / len(outcomes),
        distinct=distinct(idea.text for idea in ideas),
        similarity=mean_similarity(idea.text for idea in ideas),
        thinking_tokens=_average([idea.thinking_tokens for idea in ideas]),
        idea_tokens=_average([idea.idea_tokens for idea in ideas]),
        codebases=distinct_codebases(outcomes),
        trial_s=math.fsum(outcome.duration_s for outcome in ran.values()),
        sampling_s=math.fsum(idea.seconds for idea in ideas),
        best_ideas=_best_ideas(ideas, outcomes),
        results=tuple(IdeaResult(o.idea_id, o.status, o.reward) for o in outcomes),
        sampling_usd=_sum([idea.cost for idea in ideas]),
    )


def _best_ideas(ideas: Sequence[WrittenIdea], outcomes: Sequence[Outcome]) -> tuple[BestIdea, ...]:
    times = Counter(idea.idea_id for idea in ideas)
    ended = {i.idea_id: (i, o) for i, o in zip(ideas, outcomes, strict=False) if o.completed}
    ranked = sorted(ended.values(), key=lambda entry: entry[1].reward, reverse=True)
    return tuple(
        BestIdea(
            i.idea_id, clean(i.title), clean(i.text, MAX_TEXT_CHARS), o.reward, times[i.idea_id]
        )
        for i, o in ranked[:SHOWN_IDEAS]
    )


def _mean(values: Sequence[float]) -> Mean:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return Mean(statistics.fmean(values), error)


def _sum(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if known else None


def _average(lengths: Sequence[int | None]) -> float | None:
    known = [length for length in lengths if length is not None]
    return statistics.fmean(known) if known else None


def to_json(found: Evaluation, indent: int = 1) -> bytes:
    """The text of results.json; with an indent of -1 it is one line."""
    return msgspec.json.format(msgspec.json.encode(found), indent=indent) + b"\n"


def from_json(text: bytes) -> Evaluation:
    """The inverse of `to_json`. Raises UserError."""
    try:
        return msgspec.json.decode(text, type=Evaluation)
    except msgspec.MsgspecError as error:
        raise UserError(
            f"results.json: not what evaluate writes ({error}); the same evaluate command again "
            "writes it anew"
        ) from None


def _no_formula(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@")) else cell


def curve_csv(found: Evaluation) -> str:
    """Every row's best@k for every k, with the header `row,k,best_at_k`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("row", "k", "best_at_k"))
    for row in found.rows:
        name = _no_formula(row.name)
        table.writerows((name, k, value) for k, value in enumerate(row.curve, start=1))
    return text.getvalue()
