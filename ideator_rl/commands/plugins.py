"""`ideator-rl plugins`: the parts of other packages that are installed, one line each."""

from __future__ import annotations

import argparse

from ideator_rl.plugins.plugins import installed
from ideator_rl.terminal.terminal import say, say_json


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "plugins",
        help="list the parts of other packages that are installed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A line is what it is, its name in recipes, its package and version, and what is "
        "imported.\nRecipes also take what has no entry point, as package.module:Name.\n\n"
        "example:\n  ideator-rl plugins --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line a plug-in")
    parser.set_defaults(execute=run)


def run(args: argparse.Namespace) -> int:
    found = installed()
    for plugin in found:
        if args.json:
            say_json(plugin._asdict())
        else:
            package = f"{plugin.package} {plugin.version}"
            say(f"{plugin.kind:12} {plugin.name:20} {package:24} {plugin.target}")
    if not found and not args.json:
        say("no plug-in is installed: docs/extending.md says how to write one")
    return 0
