"""The table that ends an evaluation, a column a model, and what separates the models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ideator_rl.analysis.evaluation_figures import Comparison, Evaluation, Row

# The figures of a row under one name; what is not known of it is a dash.
_Line = tuple[str, Callable[[Row], str | None]]


def print_evaluation(found: Evaluation) -> None:
    """Prints the figures of every row, and the comparisons with their intervals."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for row in found.rows:
        # Names may hold anything: markup is not read from them.
        table.add_column(Text(row.name), justify="right", overflow="fold", max_width=20)
    for section in (_rewards(found), _ideas(), _costs()):
        for name, figure in section:
            table.add_row(name, *(figure(row) or "–" for row in found.rows))
        table.add_section()
    console = Console() if sys.stdout.isatty() else Console(width=110)
    console.print(table, highlight=False)
    for comparison in found.comparisons:
        for line in comparison_lines(comparison):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def comparison_lines(comparison: Comparison) -> list[str]:
    """One line a k: the difference, its interval, and whether it is above 0."""
    lines = []
    for k, difference in comparison.differences.items():
        line = f"{comparison.row} - {comparison.against}, best@{k}: {difference.value:+.4f}"
        if difference.low is None or difference.high is None:
            lines.append(f"{line} (too few ideas for an interval)")
            continue
        sides = {(True, False): "better", (False, True): "worse"}
        verdict = sides.get((difference.low > 0, difference.high < 0), "no difference found")
        lines.append(f"{line}, 95 % {difference.low:+.4f} to {difference.high:+.4f}: {verdict}")
    return lines


def _rewards(found: Evaluation) -> Iterator[_Line]:
    yield "ideas (baseline: seeds)", lambda row: str(row.n)
    yield "mean reward", lambda row: _number(row.mean.value)
    yield "  ± s.e.", lambda row: _number(row.mean.error)
    yield "of the completed", lambda row: row.completed_mean and _number(row.completed_mean.value)
    yield "  ± s.e.", lambda row: row.completed_mean and _number(row.completed_mean.error)
    for k in found.header.k:
        if k > 1:
            yield f"best@{k}", lambda row, k=k: _number(row.best_at_k.get(k))
    yield "above the baseline", lambda row: _of_ideas(row, row.above_baseline)


def _ideas() -> Iterator[_Line]:
    for place, name in enumerate(("implemented", "trained")):
        yield name, lambda row, place=place: _share(row.flow[place].passed / row.n)
    yield "completed", lambda row: _share(row.completed)
    yield "distinct ideas", lambda row: _of_ideas(row, row.distinct)
    yield "similarity", lambda row: None if row.similarity is None else f"{row.similarity:.2f}"
    yield "thinking, tokens", lambda row: _round(row.thinking_tokens)
    yield "idea, tokens", lambda row: _round(row.idea_tokens)


def _costs() -> Iterator[_Line]:
    yield "codebases run", lambda row: str(row.codebases)
    yield "trials, seconds", lambda row: _round(row.trial_s)
    yield "sampling, seconds", lambda row: _round(row.sampling_s) if row.sampling_s else None


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _round(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"


def _of_ideas(row: Row, value: float) -> str | None:
    """Nothing for the baseline, which is no idea."""
    if row.kind == "baseline":
        return None
    return str(value) if isinstance(value, int) else _share(value)
