"""The page of several runs: one HTML file that needs nothing but a browser, and no script at all.

    found = compare([load_run(run) for run in runs])
    render_comparison(found), comparison_markdown(found)

Names and titles are anybody's: the template escapes them, and so does the Markdown.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table as TerminalTable

from executor.records import STATUSES
from executor.store.storage import Storage
from executor.text.outside_text import clean_line
from ideator_rl.analysis import metrics
from ideator_rl.analysis.kind_figures import kinds_by_epoch
from ideator_rl.analysis.run_curves import SCALES, Curve, Scale, Steps, run_curves, value_at
from ideator_rl.analysis.run_groups import Comparison, Group
from ideator_rl.report import curve_chart
from ideator_rl.report.comparison_tables import confirmed, tables
from ideator_rl.report.curve_chart import CurveChart, Line, draw_curves
from ideator_rl.report.formats import several
from ideator_rl.report.page import render_page
from ideator_rl.report.report import REPORT, SHAPES
from ideator_rl.report.training import baseline_level
from ideator_rl.terminal.terminal import console

MARKDOWN = "report.md"
_ACROSS: Mapping[Scale, tuple[str, str]] = {
    "executions": ("By executions", "distinct codebases executed"),
    "slot_h": ("By slot time", "slot hours"),
    "money": ("By money", "US dollars for language models"),
}
_LONGEST_CELL = 200
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")
_MOST_EPOCHS = 300


def write_comparison(out: Storage, found: Comparison) -> str:
    """Writes report.html and report.md; returns the page's path or URL."""
    out.write(MARKDOWN, comparison_markdown(found).encode())
    out.write(REPORT, render_comparison(found).encode())
    return f"{out.url}/{REPORT}"


def render_comparison(found: Comparison) -> str:
    """The whole page."""
    return render_page(
        "comparison.template.html",
        ("report.css", "comparison.css"),
        (),
        found=found,
        heading=heading(found),
        lead=lead(found),
        tables={table.name: table for table in tables(found)},
        charts=best_charts(found),
        kind_chart=kind_chart(found.groups),
        flows=[_flow(group) for group in found.groups],
        level=baseline_level(_baseline(found)),
        draw=draw_curves,
        box=f"0 0 {curve_chart.WIDTH} {curve_chart.HEIGHT}",
        hues=curve_chart.HUES,
        shapes=SHAPES,
    )


def heading(found: Comparison) -> str:
    """How many runs, and on what."""
    runs = found.runs
    return several(len(runs), "run") + (f" on {runs[0].problem}" if runs else "")


def lead(found: Comparison) -> str:
    """What the comparison says first."""
    known = [(value, run) for run in found.runs if (value := confirmed(run)) is not None]
    if not known:
        return "No winner of these runs has been confirmed on fresh seeds."
    value, run = max(known, key=lambda one: one[0])
    return f"The highest confirmed reward, {value:.4f} on fresh seeds, is of {run.name}."


def comparison_markdown(found: Comparison) -> str:
    """The tables and what is not compared, in Markdown."""
    lines = [f"# {_escaped(heading(found))}", "", _escaped(lead(found)), ""]
    lines += [f"- {_escaped(line)}" for line in not_compared(found)]
    for table in tables(found):
        lines += ["", f"## {_escaped(table.title)}", "", _escaped(table.note), ""]
        rule = ["---"] * table.text + ["---:"] * (len(table.head) - table.text)
        lines += [_row(["", *table.head]), _row(["---:", *rule], escape=False)]
        lines += [_row([str(row.group + 1), *row.cells]) for row in table.rows]
    return "\n".join(lines) + "\n"


def print_comparison(found: Comparison) -> None:
    """Prints the results, and which runs are not compared."""
    out = console()
    for table in tables(found)[:1]:
        shown = TerminalTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for at, name in enumerate(table.head):
            is_text = at < table.text
            shown.add_column(
                name,
                justify="left" if is_text else "right",
                overflow="fold",
                min_width=12 if is_text else None,
            )
        for row in table.rows:
            shown.add_row(*row.cells)
        out.print(shown)
    for line in (lead(found), *not_compared(found)):
        out.print(line, soft_wrap=True)


def not_compared(found: Comparison) -> list[str]:
    """One line for each run that is left out."""
    return [f"{run.name} is not compared: {why}" for run, why in found.left_out]


def best_charts(found: Comparison) -> tuple[CurveChart, ...]:
    """The best reward on every scale on which some run has taken anything."""
    curves = {run.url: run_curves(run) for run in found.runs}
    level = baseline_level(_baseline(found))
    made = []
    for scale in SCALES:
        lines: list[Line] = []
        for at, group in enumerate(found.groups):
            own = [curves[run.url][scale] for run in group.runs]
            if all(curve.end for curve in own):
                lines += group_lines(at, group.name, own)
        title, across = _ACROSS[scale]
        if lines:
            made.append(CurveChart(title, across, tuple(lines), level=level))
    return tuple(made)


def group_lines(number: int, name: str, curves: Sequence[Curve]) -> list[Line]:
    """The best measured and the best confirmed reward of a group: of several runs the mean, with a
    band from the lowest to the highest, from where all have one; a run that has ended keeps its
    own."""
    end = max(curve.end for curve in curves)
    found = []
    for is_confirmed in (False, True):
        rises = [curve.confirmed if is_confirmed else curve.best for curve in curves]
        if not all(rises):
            continue
        begin = max(rise[0][0] for rise in rises)
        places = sorted({x for rise in rises for x, _ in rise if begin <= x <= end} | {begin})
        values = [[value_at(rise, x) or 0.0 for rise in rises] for x in places]
        points: Steps = tuple(
            (x, statistics.fmean(at)) for x, at in zip(places, values, strict=True)
        )
        band = [(min(at), max(at)) for at in values] if len(curves) > 1 else []
        said = "confirmed" if is_confirmed else "best measured"
        label = f"{number + 1} {name}: {said}, {points[-1][1]:.4f} at the end"
        found.append(Line(label, number, points, end, band, is_confirmed))
    return found


def kind_chart(groups: Sequence[Group]) -> CurveChart | None:
    """The share of settings against epochs and steps; None where no group has two of them."""
    lines = []
    for at, group in enumerate(groups):
        epochs = kinds_by_epoch([idea for run in group.runs for idea in run.ideas])
        known = {epoch: kinds for epoch, kinds in epochs.items() if kinds}
        points = [
            (float(epoch), 100 * kinds["setting"].share if "setting" in kinds else 0.0)
            for epoch, kinds in known.items()
        ]
        stride = max(1, -(-len(points) // _MOST_EPOCHS))
        if len(points) > 1:
            lines.append(Line(f"{at + 1} {group.name}", at, tuple(points[::-1][::stride][::-1])))
    if not lines:
        return None
    return CurveChart(
        "Settings among the ideas",
        "epoch of a search, step of training",
        tuple(lines),
        up="% of implemented ideas",
        top=100.0,
    )


def _baseline(found: Comparison) -> metrics.Spread | None:
    """Of all runs together; runs of one store share trials of the same seed."""
    known = {
        (seed, outcome.reward)
        for run in found.runs
        for seed, outcome in run.baseline.items()
        if outcome.completed and seed not in run.confirmation_seeds
    }
    return metrics.spread([reward for _, reward in sorted(known)])


def _flow(group: Group) -> list[tuple[str, int, float, float]]:
    """Each status with its count, and where its part of a bar begins and how wide it is, in %."""
    ideas = [idea for run in group.runs for idea in run.ideas]
    counts = metrics.status_counts(ideas)
    parts: list[tuple[str, int, float, float]] = []
    begin = 0.0
    for status in STATUSES:
        if count := counts.get(status, 0):
            width = 100 * count / len(ideas)
            parts.append((status, count, round(begin, 3), round(width, 3)))
            begin += width
    return parts


def _row(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(map(_escaped, cells) if escape else cells)} |"


def _escaped(text: str) -> str:
    """One line of Markdown in which nothing is a mark."""
    return _MARKS.sub(r"\\\1", clean_line(text, 4 * _LONGEST_CELL))
