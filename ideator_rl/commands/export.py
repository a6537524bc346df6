"""`ideator-rl export`: the executed ideas of runs as a data set, without secrets and paths."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ideator_rl.run_parts import with_trials
from ideator_rl.run_path import find_run
from ideator_rl.terminal.terminal import say, warn


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "export",
        help="write runs as a data set that others can load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  ideator-rl export store/runs/digits-evolution-seed0 --out digits-ideas\n"
        "  ideator-rl export store/runs/a store/runs/b --push my-org/digits-ideas",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="STORE/runs/RUN, one or several")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="DIR", help="a new folder")
    where.add_argument("--push", metavar="ORG/NAME", help="a data set on the Hugging Face hub")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    # Not at the top: the other commands do without all this.
    from ideator_rl.hub import check_name, push_data_set, require_datasets
    from ideator_rl.sharing.data_set import write_data_set
    from ideator_rl.sharing.rows import read_rows

    require_datasets("export")
    if args.push:
        check_name(args.push)
    runs = [run for path in dict.fromkeys(args.runs) for run in with_trials(find_run(path))]
    rows = [row for run in runs for row in read_rows(run)]
    told = f"{len(rows)} executed ideas of {len(runs)} runs"
    if args.out:
        write_data_set(rows, args.out)
        say(str(args.out))
        warn(f'{told}; load them with datasets.load_dataset("{args.out}")')
        return 0
    with tempfile.TemporaryDirectory(prefix="ideator-rl-export-") as scratch:
        folder = Path(scratch) / "set"
        write_data_set(rows, folder, args.push.partition("/")[2])
        say(push_data_set(folder, args.push))
    warn(f"{told}; a new data set is private: look at it before you make it public")
    return 0
