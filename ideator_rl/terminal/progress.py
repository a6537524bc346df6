"""What a person sees while trials run: a bar on a terminal, plain lines off it.

with progress(total=24) as show:
    show(idea, outcome)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from executor.records import Idea, Outcome
from executor.text.outside_text import clean_line
from executor.trial_keys import BASELINE
from ideator_rl.terminal.terminal import console, warn

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

LONGEST_NAME, LONGEST_DETAIL = 160, 100

Show = Callable[[Idea, Outcome], None]


@contextmanager
def progress(total: int, begin: str = "baseline") -> Iterator[Show]:
    """`total` is the number of ideas; baselines are shown and not counted. Writes to stderr.

    `begin` is what stands beside the bar until the first idea is there.
    """
    if sys.stderr.isatty():
        with _bar(total, begin) as show:
            yield show
    else:
        yield _lines(total)


def _lines(total: int) -> Show:
    done = 0
    best = float("-inf")

    def show(idea: Idea, outcome: Outcome) -> None:
        nonlocal done, best
        place = "baseline"
        if idea.origin != BASELINE:
            done += 1
            place = f"{done}/{total}"
            best = max(best, outcome.reward)
        warn(f"{place:>9}  {outcome_line(idea, outcome)}")

    return show


@contextmanager
def counting(total: int, what: str) -> Iterator[Callable[[], None]]:
    """For work that is only counted: what this yields is called once a piece. Writes to stderr."""
    if not sys.stderr.isatty():
        yield _counted_lines(total, what)
        return
    from rich.progress import Progress

    with Progress(*_columns(), console=console(stderr=True)) as bar:
        task = bar.add_task(clean_line(what, LONGEST_NAME), total=total)
        yield lambda: bar.update(task, advance=1)


def _counted_lines(total: int, what: str) -> Callable[[], None]:
    """A line at about every eighth of the work."""
    done = 0

    def show() -> None:
        nonlocal done
        done += 1
        if done % -(-total // 8) == 0 or done == total:
            warn(f"{done:>4}/{total:<4}  {what}")

    return show


@contextmanager
def _bar(total: int, begin: str) -> Iterator[Show]:
    from rich.progress import Progress

    with Progress(*_columns(), console=console(stderr=True)) as bar:
        task = bar.add_task(begin, total=total)
        best = float("-inf")

        def show(idea: Idea, outcome: Outcome) -> None:
            nonlocal best
            # Wrapped, its end could look like a line of its own.
            bar.console.print(outcome_line(idea, outcome), no_wrap=True, overflow="ellipsis")
            if idea.origin != BASELINE:
                best = max(best, outcome.reward)
                bar.update(task, advance=1, description=f"best {best:.4g}")

        yield show


def _columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    described = TextColumn("{task.description}", markup=False)
    return described, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()


def outcome_line(idea: Idea, outcome: Outcome, longest: int = LONGEST_DETAIL) -> str:
    """One trial in one line: id, origin, status, reward, seconds, and the reason of a failure, cut
    to `longest` characters."""
    name, origin = clean_line(outcome.idea_id, LONGEST_NAME), clean_line(idea.origin, LONGEST_NAME)
    who = f"{name:8} {origin:8}" if origin else f"{name:20}"
    line = f"{who} {outcome.status:15} reward {outcome.reward:<8.4g} {outcome.duration_s:5.1f} s"
    if outcome.cached:
        line += "  (identical codebase, not run again)"
    if outcome.completed:
        return line
    return f"{line}  {clean_line(outcome.detail, longest)}".rstrip()
