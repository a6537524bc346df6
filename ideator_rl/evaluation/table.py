"""The table that ends an evaluation, a column a model, and what separates the models."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ideator_rl.evaluation.figures import Comparison, Evaluation, SourceFigures
from ideator_rl.terminal.terminal import console

UNKNOWN = "–"
NAME_WIDTH = 20

_Section = list[tuple[str, str]]


def print_evaluation(found: Evaluation) -> None:
    """Prints the figures of every row, and the comparisons with their intervals."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for row in found.rows:
        table.add_column(broken(row.name), justify="right", overflow="fold", max_width=NAME_WIDTH)
    columns = [_column(row, found.header.k) for row in found.rows]
    for sections in zip(*columns, strict=True):
        for line in zip(*sections, strict=True):
            table.add_row(line[0][0], *(figure for _, figure in line))
        table.add_section()
    out = console()
    out.print(table)
    for comparison in found.comparisons:
        for said in comparison_lines(comparison):
            out.print(said, soft_wrap=True)


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


def _column(row: SourceFigures, sizes: Sequence[int]) -> tuple[_Section, ...]:
    """The figures of a row: of its rewards, its ideas, and what they took."""
    passed = {flow.stage: flow.passed / row.n for flow in row.flow}
    of_ideas = row.kind != "baseline"
    completed = row.completed_mean
    rewards = [
        ("ideas (baseline: seeds)", str(row.n)),
        ("mean reward", _number(row.mean.value)),
        ("  ± s.e.", _number(row.mean.error)),
        ("of the completed", _number(completed.value if completed else None)),
        ("  ± s.e.", _number(completed.error if completed else None)),
        *((f"best@{k}", _number(row.best_at_k.get(k))) for k in sizes if k > 1),
        ("above the baseline", _share(row.above_baseline) if of_ideas else UNKNOWN),
    ]
    ideas = [
        ("implemented", _share(passed["implement"])),
        ("trained", _share(passed["train"])),
        ("completed", _share(row.completed)),
        ("distinct ideas", str(row.distinct) if of_ideas else UNKNOWN),
        ("similarity", _number(row.similarity, 2)),
        ("thinking, tokens", _number(row.thinking_tokens, 0)),
        ("idea, tokens", _number(row.idea_tokens, 0)),
    ]
    costs = [
        ("codebases run", str(row.codebases)),
        ("trials, seconds", _number(row.trial_s, 0)),
        ("sampling, seconds", _number(row.sampling_s or None, 0)),
        ("sampling, US dollars", _number(row.sampling_usd, 2)),
    ]
    return rewards, ideas, costs


def broken(name: str) -> str:
    """A model's name in lines of at most NAME_WIDTH, broken behind separators where there are."""
    lines = [""]
    for part in re.findall(r"[^-/_. ]+[-/_. ]?|[-/_. ]", name):
        if lines[-1] and len(lines[-1] + part) > NAME_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _number(value: float | None, digits: int = 4) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
