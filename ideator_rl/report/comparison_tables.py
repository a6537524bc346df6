"""The tables of a comparison of runs, as text: for the page, for Markdown and for a terminal.

    for table in tables(compare(runs)):
        table.title, table.head, table.rows[0].cells

A group of several runs has mean ± standard deviation over its runs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import shorten

from executor.records import STATUSES
from ideator_rl.analysis import metrics
from ideator_rl.analysis.gain import Gain
from ideator_rl.analysis.kind_figures import kind_figures
from ideator_rl.analysis.run_cost import run_cost
from ideator_rl.analysis.run_curves import executions
from ideator_rl.analysis.run_data import RunData
from ideator_rl.analysis.run_groups import Comparison, Group
from ideator_rl.report.formats import amount, duration, money, number, share, signed, words
from ideator_rl.report.kind_charts import NAMES

UNKNOWN = "–"
_LONGEST_TITLE = 110


@dataclass(frozen=True)
class Row:
    """`group` is the number of the group that it is about, from 0."""

    group: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The first `text` columns are words, the others figures."""

    name: str
    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    text: int = 1


def tables(found: Comparison) -> tuple[Table, ...]:
    """All that have rows."""
    makers = (_results, _winners, _stages, _kinds, _costs, _baselines)
    return tuple(table for table in (make(found) for make in makers) if table.rows)


def _without(empty: str, table: Table) -> Table:
    """A table without the columns of figures that say the same nothing in every row."""
    kept = [
        at
        for at in range(len(table.head))
        if at == 0 or any(row.cells[at] != empty for row in table.rows)
    ]
    rows = tuple(Row(row.group, tuple(row.cells[at] for at in kept)) for row in table.rows)
    text = sum(at < table.text for at in kept)
    return replace(table, head=tuple(table.head[at] for at in kept), rows=rows, text=text)


def best(run: RunData) -> float | None:
    """The best measured reward of a run."""
    return max((idea.reward for idea in run.ideas if idea.measured), default=None)


def confirmed(run: RunData) -> float | None:
    """The highest mean on fresh seeds of an idea that survives them."""
    ideas = run.confirmation.ideas if run.confirmation else ()
    return max((idea.mean for idea in ideas if idea.survives), default=None)


def _results(found: Comparison) -> Table:
    def above(run: RunData) -> float | None:
        baseline = metrics.spread(run.search_baseline)
        if baseline is None:
            return None
        return sum(i.measured and i.reward > baseline.mean for i in run.ideas) / len(run.ideas)

    def gain(run: RunData) -> float | None:
        ideas = run.confirmation.ideas if run.confirmation else ()
        return max((i.gain.value for i in ideas if i.survives and i.gain), default=None)

    rows = tuple(
        Row(
            at,
            (
                group.name,
                group.about,
                _over(group, lambda run: len(run.ideas), amount),
                _over(group, executions, amount),
                _over(group, best, number),
                _over(group, confirmed, number),
                _over(group, gain, signed),
                _over(group, lambda run: metrics.completion_rate(run.ideas), share),
                _over(group, above, share),
            ),
        )
        for at, group in enumerate(found.groups)
    )
    return Table(
        "results",
        "Results",
        "Best is the best first measurement, which luck has chosen; confirmed is the highest mean "
        "on fresh seeds of a winner that survives them, and gain is that over the baseline beside "
        "it. Executions are distinct codebases.",
        (
            *("run", "what it is", "ideas", "executions", "best", "confirmed", "gain"),
            *("completed", "above baseline"),
        ),
        rows,
        text=2,
    )


def _baselines(found: Comparison) -> Table:
    rows = []
    for at, group in enumerate(found.groups):
        for run in group.runs:
            base = metrics.spread(run.search_baseline)
            fresh = run.confirmation.baseline if run.confirmation else ()
            cells = (
                run.name,
                str(run.start.seed) if run.start else UNKNOWN,
                number(base.mean) if base else UNKNOWN,
                number(base.sd) if base and base.sd is not None else UNKNOWN,
                str(base.n) if base else "0",
                number(statistics.fmean(fresh)) if fresh else UNKNOWN,
                str(len(fresh)),
            )
            rows.append(Row(at, cells))
    return Table(
        "baselines",
        "The baseline of each run",
        "The unchanged codebase beside the ideas of a run, and again beside its winners.",
        ("run", "run’s seed", "mean", "s.d.", "seeds", "beside winners", "fresh seeds"),
        tuple(rows),
    )


def _stages(found: Comparison) -> Table:
    def passed(stage: int) -> Callable[[RunData], float]:
        return lambda run: metrics.stage_flow(run.ideas)[stage].passed / len(run.ideas)

    rows = []
    for at, group in enumerate(found.groups):
        counts = metrics.status_counts(idea for run in group.runs for idea in run.ideas)
        stages = (_over(group, passed(stage), share) for stage in range(len(metrics.STAGES)))
        cells = (group.name, *stages, *(str(counts.get(status, 0)) for status in STATUSES))
        rows.append(Row(at, cells))
    made = Table(
        "stages",
        "How far ideas came",
        "Shares of all ideas that passed a stage, and how many ideas ended how.",
        ("run", "implemented", "trained", "examined", *map(words, STATUSES)),
        tuple(rows),
    )
    return _without("0", made)


def _kinds(found: Comparison) -> Table:
    rows = []
    for at, group in enumerate(found.groups):
        for row in kind_figures([idea for run in group.runs for idea in run.ideas]):
            cells = (
                group.name,
                NAMES[row.kind],
                str(row.ideas),
                share(row.share),
                share(row.completed),
                f"+{amount(row.added)}/−{amount(row.removed)}",
                UNKNOWN if row.mean is None else number(row.mean),
                number(row.best.reward) if row.best else UNKNOWN,
            )
            rows.append(Row(at, cells))
    return Table(
        "kinds",
        "Kinds of ideas",
        "By their code alone: a setting changes literals and choices among the baseline's own "
        "options, an algorithm anything else. Shares are of the ideas that were implemented, "
        "rewards of those that completed, lines the median.",
        (
            *("run", "kind", "ideas", "share", "completed", "lines +/−", "mean reward"),
            "best reward",
        ),
        tuple(rows),
        text=2,
    )


def _winners(found: Comparison) -> Table:
    rows = []
    crossing = any(run.elsewhere for run in found.runs)
    for at, group in enumerate(found.groups):
        for run in group.runs:
            titles = {idea.idea_id: idea.title for idea in run.ideas}
            for other in (run, *run.elsewhere):
                for idea in other.confirmation.ideas if other.confirmation else ():
                    cells = (
                        run.name,
                        idea.idea_id,
                        shorten(titles.get(idea.idea_id, ""), _LONGEST_TITLE, placeholder=" …"),
                        other.problem if crossing else UNKNOWN,
                        UNKNOWN if idea.first is None else number(idea.first),
                        number(idea.mean),
                        _interval(idea.gain),
                        _interval(idea.final_gain),
                        idea.verdict,
                    )
                    gain = idea.gain.value if idea.gain else -math.inf
                    rows.append((other.problem != run.problem, -gain, Row(at, cells)))
    rows.sort(key=lambda row: row[:2])
    made = Table(
        "winners",
        "Confirmed winners",
        "On fresh seeds, side by side with the baseline: the gain with its 95 % interval, also on "
        "held-out data that no search has touched, where the problem has some. Rewards of "
        "different problems are not comparable.",
        (
            *("run", "idea", "what it changes", "confirmed as", "first", "fresh seeds"),
            *("gain", "gain on untouched data", "verdict"),
        ),
        tuple(row for _, _, row in rows),
        text=4,
    )
    return _without(UNKNOWN, made)


def _costs(found: Comparison) -> Table:
    def slot_h(run: RunData) -> float:
        cost = run_cost(run)
        return cost.total.slot_s / 3600 if cost else 0.0

    def gpu_h(run: RunData) -> float:
        return run.gpus * slot_h(run)

    def paid(run: RunData) -> float:
        cost = run_cost(run)
        return cost.total.money if cost else 0.0

    def wall_s(run: RunData) -> float:
        return metrics.wall_seconds(metrics.sessions(run.events))

    has_gpus = any(run.gpus for run in found.runs)
    rows = tuple(
        Row(
            at,
            (
                group.name,
                _over(group, slot_h, amount),
                *([_over(group, gpu_h, amount)] if has_gpus else []),
                _over(group, paid, money) if any(map(paid, group.runs)) else UNKNOWN,
                _over(group, wall_s, duration),
                _over(group, lambda run: sum(idea.cached for idea in run.ideas), amount),
            ),
        )
        for at, group in enumerate(found.groups)
    )
    return Table(
        "costs",
        "Cost",
        "Everything of a run, its confirmation on the same problem included. The time in which a "
        "training run writes ideas and learns is in its wall time only.",
        (
            *("run", "slot hours", *(["GPU hours"] if has_gpus else []), "US dollars"),
            *("wall time", "known before"),
        ),
        rows,
    )


def _over(
    group: Group, figure: Callable[[RunData], float | None], say: Callable[[float], str]
) -> str:
    """A figure of a run, or mean ± s.d. over the runs that have it, and how many those are."""
    known = [value for run in group.runs if (value := figure(run)) is not None]
    if not known:
        return UNKNOWN
    text = say(statistics.fmean(known))
    if len(known) > 1:
        text += f" ± {say(statistics.stdev(known))}".replace("± +", "± ")
    if len(known) < len(group.runs):
        text += f" ({len(known)} of {len(group.runs)})"
    return text


def _interval(gain: Gain | None) -> str:
    if gain is None:
        return UNKNOWN
    if gain.low is None or gain.high is None:
        return signed(gain.value)
    return f"{signed(gain.value)} ({signed(gain.low)} to {signed(gain.high)})"
