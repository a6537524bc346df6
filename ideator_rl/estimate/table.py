"""The price of a search as a table: what each of its stages will take, expected and at most."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ideator_rl.estimate.estimate import STAGES, Estimate
from ideator_rl.report.formats import amount, duration, money
from ideator_rl.terminal import console


def print_estimate(found: Estimate) -> None:
    """Prints the stages, their sum and the wall time, where the figures come from, and which
    budgets would end the run early."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    reached = f"about {found.reached} of " if found.reached < found.ideas else ""
    table.add_column(f"{reached}{_several(found.ideas, 'idea')}", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("expected", "at most"):
        table.add_column(name, justify="right", no_wrap=True)
    figures = {
        "calls": (lambda cost: cost.calls, amount),
        "tokens in": (lambda cost: cost.input, amount),
        "written to a cache": (lambda cost: cost.cache_write, amount),
        "read from a cache": (lambda cost: cost.cache_read, amount),
        "tokens out": (lambda cost: cost.output, amount),
        "US dollars": (lambda cost: cost.money, money),
        "slot time": (lambda cost: cost.slot_s, duration),
        "GPU hours": (lambda cost: found.gpus * cost.slot_s / 3600, amount),
    }
    for name, bounds in {**{n: found.stages[n] for n in STAGES}, "total": found.total}.items():
        if name == "total":
            table.add_section()
        for figure, (value, told) in figures.items():
            if value(bounds.at_most):
                table.add_row(name, figure, *(told(value(column)) for column in bounds))
                name = ""
    gpus = f" of {_several(found.gpus, 'GPU')}" if found.gpus else ""
    wall = map(duration, (found.wall_s, found.wall_s_at_most))
    table.add_row(f"wall time, {_several(found.slots, 'slot')}{gpus}", "", *wall)
    out = console()
    out.print(table)
    for line in (*found.assumptions, *found.limits, f"nothing was started of {found.run}"):
        out.print(line, soft_wrap=True)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"
