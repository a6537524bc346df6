"""The price of a search as a table: what each of its stages will take, expected and at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ideator_rl.analysis.cost import Cost
from ideator_rl.estimate.estimate import STAGES, Bounds, Estimate
from ideator_rl.report.formats import amount, duration, money
from ideator_rl.terminal import console

_Figures = Mapping[str, tuple[Callable[[Cost], float], Callable[[float], str]]]


def print_estimate(found: Estimate) -> None:
    """Prints the stages, their sum and the wall time, where the figures come from, and which
    budgets would end the run early."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    several = "s" if found.ideas > 1 else ""
    reached = f"about {found.reached} of " if found.reached < found.ideas else ""
    table.add_column(f"{reached}{found.ideas} idea{several}", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("expected", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    figures = _figures(found)
    for name in STAGES:
        _add(table, name, found.stages[name], figures)
    table.add_section()
    _add(table, "total", found.total, figures)
    slots = f"{found.slots} slot{'s' if found.slots > 1 else ''}"
    gpus = f" of {found.gpus} GPU{'s' if found.gpus > 1 else ''}" if found.gpus else ""
    wall = map(duration, (found.wall_s, found.wall_s_at_most))
    table.add_row(f"wall time, {slots}{gpus}", "", *wall)
    out = console()
    out.print(table)
    for line in (*found.assumptions, *found.limits, f"nothing was started of {found.run}"):
        out.print(line, soft_wrap=True)


def _add(table: Table, name: str, bounds: Bounds, figures: _Figures) -> None:
    """A row for each figure that the stage has."""
    for figure, (value, told) in figures.items():
        if value(bounds.at_most):
            row = (told(value(column)) for column in (bounds.expected, bounds.at_most))
            table.add_row(name, figure, *row)
            name = ""


def _figures(found: Estimate) -> _Figures:
    gpus = found.gpus
    figures: dict[str, tuple[Callable[[Cost], float], Callable[[float], str]]] = {
        "calls": (lambda cost: cost.calls, amount),
        "tokens in": (lambda cost: cost.input, amount),
        "written to a cache": (lambda cost: cost.cache_write, amount),
        "read from a cache": (lambda cost: cost.cache_read, amount),
        "tokens out": (lambda cost: cost.output, amount),
        "US dollars": (lambda cost: cost.money, money),
        "slot time": (lambda cost: cost.slot_s, duration),
        "GPU hours": (lambda cost: gpus * cost.slot_s / 3600, amount),
    }
    return figures
