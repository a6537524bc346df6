"""The tables that end an evaluation: a row a model, and what separates the models."""

from __future__ import annotations

import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ideator_rl.analysis.evaluation_figures import Comparison, Evaluation, Mean, Row


def print_evaluation(found: Evaluation) -> None:
    """Prints the figures of every row, and the comparisons with their intervals."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(_figures(found), highlight=False)
    if any(row.idea_tokens is not None for row in found.rows):
        console.print(_texts(found), highlight=False)
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


def _figures(found: Evaluation) -> Table:
    sizes = [k for k in found.header.k if k > 1]
    table = _table("", "n", "completed", "mean", "of completed", *(f"best@{k}" for k in sizes),
                   "above baseline")  # fmt: skip
    for row in found.rows:
        if row.kind == "baseline":
            table.add_section()
        table.add_row(
            Text(row.name, overflow="ellipsis"),
            str(row.n),
            f"{100 * row.completed:.0f} %",
            _mean(row.mean),
            _mean(row.completed_mean),
            *(f"{row.best_at_k[k]:.4f}" if k in row.best_at_k else "–" for k in sizes),
            "–" if row.kind == "baseline" else f"{100 * row.above_baseline:.0f} %",
        )
    return table


def _texts(found: Evaluation) -> Table:
    table = _table("", "implemented", "trained", "distinct\nideas", "similarity",
                   "thinking,\ntokens", "idea,\ntokens", "codebases\nrun", "trials\ntook",
                   "sampling\ntook")  # fmt: skip
    for row in found.rows[:-1]:
        passed = {flow.stage: flow.passed for flow in row.flow}
        table.add_row(
            Text(row.name, overflow="ellipsis"),
            _share(passed["implement"], row),
            _share(passed["train"], row),
            str(row.distinct),
            "–" if row.similarity is None else f"{row.similarity:.2f}",
            _tokens(row.thinking_tokens),
            _tokens(row.idea_tokens),
            str(row.codebases),
            f"{row.trial_s:.0f} s",
            f"{row.sampling_s:.0f} s" if row.kind == "checkpoint" else "–",
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, max_width=32, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _mean(mean: Mean | None) -> str:
    if mean is None:
        return "–"
    return f"{mean.value:.4f}" + ("" if mean.error is None else f" ± {mean.error:.4f}")


def _share(count: int, row: Row) -> str:
    return f"{100 * count / row.n:.0f} %"


def _tokens(mean: float | None) -> str:
    return "–" if mean is None else f"{mean:.0f}"
