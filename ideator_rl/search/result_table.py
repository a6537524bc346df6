"""The tables that end a search: the best ideas beside the baseline, and what fresh seeds say."""

from __future__ import annotations

import statistics
from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.table import Table

from executor.problem.problem import IMPLAUSIBLE
from ideator_rl.analysis.confirmed import Confirmation
from ideator_rl.analysis.shown_text import idea_title
from ideator_rl.search.loop import SearchResult
from ideator_rl.terminal.terminal import console

SHOWN = 8


def print_result(result: SearchResult) -> None:
    """Prints the best ideas, the baseline with its noise, and how many ideas completed."""
    ranked = sorted(
        (entry for entry in result.executed if entry.outcome.completed),
        key=lambda entry: entry.outcome.reward,
        reverse=True,
    )
    metrics = list(result.baselines[0].metrics)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("best ideas", "reward", *metrics, "seconds"):
        table.add_column(name, justify="left" if name == "best ideas" else "right", no_wrap=True)
    table.add_column("what it changes")

    for entry in ranked[:SHOWN]:
        values = [f"{entry.outcome.metrics.get(name, float('nan')):.4f}" for name in metrics]
        seconds = f"{entry.outcome.duration_s:.1f}"
        table.add_row(
            entry.idea.id, f"{entry.outcome.reward:.4f}", *values, seconds, idea_title(entry.idea)
        )
    table.add_section()
    means = [statistics.fmean(o.metrics[name] for o in result.baselines) for name in metrics]
    seconds = f"{statistics.fmean(o.duration_s for o in result.baselines):.1f}"
    seeds = len(result.baselines)
    note = f"unchanged codebase, mean of {seeds} seed{'s' if seeds > 1 else ''}"
    table.add_row(
        "baseline", f"{result.baseline:.4f}", *(f"{mean:.4f}" for mean in means), seconds, note
    )
    _print(table, _verdict(result))


def print_confirmation(found: Confirmation) -> None:
    """Prints the confirmed gains with their intervals, and what that means in one line."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("fresh seeds", no_wrap=True)
    untouched = any(idea.final_gain for idea in found.ideas)
    columns = ("reward", "gain", "95 % interval")
    for name in (*columns, *(("untouched", "overfit") if untouched else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for idea in found.ideas:
        gain = idea.gain
        table.add_row(
            idea.idea_id,
            f"{idea.mean:.4f}",
            f"{gain.value:+.4f}" if gain else "–",
            "–" if gain is None or gain.low is None else f"{gain.low:+.4f} to {gain.high:+.4f}",
            *(
                f"{final.value:+.4f}" if final else "–"
                for final in ((idea.final_gain, idea.overfit) if untouched else ())
            ),
        )
    # Not in the table, which has no room for them on a narrow terminal.
    verdicts = [
        f"{idea.idea_id} {idea.verdict}" + (f": {idea.reason}" if idea.failures else "")
        for idea in found.ideas
    ]
    _print(table if found.ideas else "", "\n".join([*verdicts, str(found)]))


def _print(table: Table | str, line: str) -> None:
    out = console()
    out.print(table)
    out.print(line, soft_wrap=True)


def _verdict(result: SearchResult) -> str:
    counts = Counter(entry.outcome.status for entry in result.executed)
    statuses = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    line = f"{len(result.executed)} ideas executed" + (f": {statuses}" if statuses else "")
    odd = [e.idea.id for e in result.executed if e.outcome.detail.startswith(IMPLAUSIBLE)]
    if odd:
        line += f"; too good to be true, so read the code of {', '.join(odd)}"
    if result.best is None:
        return line
    gain = result.best.outcome.reward - result.baseline
    line += f"; best idea {gain:+.4f} in reward over the baseline"
    rewards = [outcome.reward for outcome in result.baselines]
    noise = statistics.stdev(rewards) if len(rewards) > 1 else 0.0
    if noise:
        line += f", {gain / noise:.1f} times the noise between seeds ({noise:.4f})"
    return line
