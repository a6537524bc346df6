"""`ideator-rl report`: the page of a run, or of several side by side, one self-contained HTML file.

The page of one run lies in its folder. That of several, with the same in Markdown, lies in `--out`:
searches and training runs on one problem, runs of one recipe grouped over their seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from executor.errors import UserError
from executor.store.runs import RunFolder
from ideator_rl.run_path import find_run
from ideator_rl.terminal.terminal import say


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "report",
        help="write the report.html of a run, or of several side by side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  ideator-rl report store/runs/digits-evolution-seed0\n"
        "  ideator-rl report store/runs/digits-evolution-seed* store/runs/digits-grpo-seed0",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="STORE/runs/RUN")
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="where the page of several runs is written (default: comparison)",
    )
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    # A run that is named twice is one run.
    folders = list({folder.url: folder for folder in map(find_run, args.runs)}.values())
    if len(folders) > 1:
        return _compare(folders, args.out or "comparison")
    if args.out is not None:
        raise UserError("--out: the page of one run lies in its folder; name several runs")
    from ideator_rl.evaluation.page import rewrite_evaluation
    from ideator_rl.report.report import write_report

    (folder,) = folders
    say(str(rewrite_evaluation(folder.url) or write_report(folder)))
    return 0


def _compare(folders: Sequence[RunFolder], out: str) -> int:
    """Writes the page of several runs, and prints its results."""
    from executor.store.open import open_storage
    from ideator_rl.analysis.read_run import load_run
    from ideator_rl.analysis.run_groups import compare
    from ideator_rl.report.comparison import print_comparison, write_comparison

    found = compare([load_run(folder) for folder in folders])
    page = write_comparison(open_storage(out), found)
    print_comparison(found)
    say(f"\nreport: {page}")
    return 0
