"""`ideator-rl report`: the page of a run, one self-contained HTML file."""

from __future__ import annotations

import argparse

from executor import Store
from executor.errors import UserError
from ideator_rl.commands.execute import split_run
from ideator_rl.terminal import say


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "report",
        help="write a run's report.html",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl report store/runs/digits-evolution-seed0",
    )
    parser.add_argument("run", metavar="RUN", help="STORE/runs/RUN")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    from ideator_rl.evaluation.page import rewrite_evaluation
    from ideator_rl.report.report import write_report

    url, name = split_run(args.run)
    store = Store(url)
    if name not in store.runs():
        known = ", ".join(store.runs()) or "none"
        raise UserError(f"{args.run}: no such run; the runs of {url} are: {known}")
    folder = store.run(name)
    say(str(rewrite_evaluation(folder.url) or write_report(folder)))
    return 0
