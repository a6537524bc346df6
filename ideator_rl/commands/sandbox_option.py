"""The option `--sandbox`, and the line that says how code is locked in."""

from __future__ import annotations

import argparse

from executor.sandbox import Level, Sandbox
from executor.sandbox.sandbox import LEVELS
from ideator_rl.terminal.terminal import warn


def add_sandbox(parser: argparse.ArgumentParser, default: Level) -> None:
    parser.add_argument(
        "--sandbox",
        choices=LEVELS,
        default=default,
        help=f"how the ideas' code is locked in (default: {default})",
    )


def say_sandbox(lock: Sandbox) -> None:
    """Says it on stderr, with a warning for whatever is weaker than strict."""
    warn(f"sandbox {lock}")
    if lock.level != "strict":
        warn(
            "warning: code is not isolated: it can read what you can read; do not run ideas or "
            "code of language models or strangers like this"
        )
