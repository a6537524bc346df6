"""The `ideator-rl` command: one subcommand a module in `commands/`.

A user's mistake is one line on stderr and exit code 2; an interrupted or failed job is 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import NoReturn

from executor.errors import UserError


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> Parser:
    from ideator_rl.commands import envs, evaluate, execute, report, search, train

    parser = Parser(
        prog="ideator-rl",
        description="Automated AI research, grounded in execution.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl search --config recipes/digits/search/config_evolution.yaml",
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for module in (envs, execute, search, train, evaluate, report):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code."""
    exit_with(partial(_run, argv))


def exit_with(job: Callable[[], int]) -> NoReturn:
    """Runs a job and exits with the code that it returns, or that its end means."""
    # Slurm and others end a job with SIGTERM: the same orderly end as Ctrl-C, which a job in the
    # background of a script would ignore from its start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = job()
    except UserError as error:
        print(f"ideator-rl: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("ideator-rl: interrupted", file=sys.stderr)
        code = 1
    except BrokenPipeError:
        code = 1
    sys.exit(code)


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if rest and not getattr(args, "takes_overrides", False):
        parser.error(f"unknown argument {rest[0]!r}")
    args.overrides = rest
    return args.execute(args)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
