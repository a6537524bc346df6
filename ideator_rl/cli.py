"""The `ideator-rl` command: one subcommand a module in `commands/`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import NoReturn

from ideator_rl.exits import Parser, exit_with


def build_parser() -> Parser:
    from ideator_rl.commands import (
        envs,
        evaluate,
        execute,
        export,
        implement,
        import_set,
        plugins,
        recipes,
        report,
        search,
        serve_env,
        train,
        worker,
    )

    parser = Parser(
        prog="ideator-rl",
        description="Automated AI research, grounded in execution.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl search --config digits/evolution",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('ideator-rl')}")
    commands = parser.add_subparsers(dest="command", parser_class=Parser)
    for module in (
        *(recipes, search, train, evaluate, implement, execute, worker, report),
        *(envs, plugins, export, import_set, serve_env),
    ):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code."""
    exit_with(partial(_run, argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if args.command is None and not rest:
        parser.print_help()
        return 0
    if rest and not getattr(args, "takes_overrides", False):
        parser.error(f"unknown argument {rest[0]!r}")
    args.overrides = rest
    return args.execute(args)
