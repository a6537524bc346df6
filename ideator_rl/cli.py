"""The `ideator-rl` command: one subcommand a module in `commands/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from ideator_rl.terminal.exits import Parser, exit_with

# Each command, and its module in `commands/`.
COMMANDS = {
    "recipes": "recipes",
    "search": "search",
    "train": "train",
    "evaluate": "evaluate",
    "implement": "implement",
    "execute": "execute",
    "worker": "worker",
    "report": "report",
    "envs": "envs",
    "plugins": "plugins",
    "export": "export",
    "import": "import_set",
    "serve-env": "serve_env",
}


class _Version(argparse.Action):
    """argparse's own wants to know the version before it is asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, **how: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **how)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        from ideator_rl.terminal.terminal import say

        say(f"{parser.prog} {version('ideator-rl')}")
        parser.exit()


def build_parser(commands: Iterable[str] = COMMANDS) -> Parser:
    """The parser of some commands, of all by default: each one's module takes time to import."""
    parser = Parser(
        prog="ideator-rl",
        description="Automated AI research, grounded in execution.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  ideator-rl search --config digits/evolution",
    )
    parser.add_argument("--version", action=_Version, help="show program's version number and exit")
    parsers = parser.add_subparsers(dest="command", parser_class=Parser)
    for name in commands:
        import_module(f"ideator_rl.commands.{COMMANDS[name]}").add_parser(parsers)
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its code."""
    exit_with(partial(_run, sys.argv[1:] if argv is None else argv))


def _run(argv: Sequence[str]) -> int:
    parser = build_parser(argv[:1] if argv and argv[0] in COMMANDS else COMMANDS)
    args, rest = parser.parse_known_args(argv)
    if args.command is None and not rest:
        parser.print_help()
        return 0
    if rest and not getattr(args, "takes_overrides", False):
        parser.error(f"unknown argument {rest[0]!r}")
    args.overrides = rest
    return args.execute(args)
