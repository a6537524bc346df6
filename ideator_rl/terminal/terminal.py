"""The one way to a person's terminal: what is said is cleaned, and nothing in it is markup.

    say(f"report: {page}")
    console().print(table)            # a rich table of strings

Ideas, crashes, servers and files may hold anything: whoever quotes them says it in here.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import IO, TYPE_CHECKING, Any

from executor.text.outside_text import clean_text

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_SAID = 100_000
# Off a terminal tables have a width of their own.
PLAIN_WIDTH = 110


def say(text: str = "", *, to: IO[str] | None = None) -> None:
    """Prints lines, on stdout by default, at once."""
    print(clean_text(text, LONGEST_SAID), file=to or sys.stdout, flush=True)


def warn(text: str) -> None:
    """Prints lines on stderr."""
    say(text, to=sys.stderr)


def say_json(value: object) -> None:
    """Prints one line of JSON, in ASCII and in full, on stdout."""
    print(json.dumps(value).replace("\x7f", "\\u007f"), flush=True)


class TerminalHandler(logging.Handler):
    """What is logged goes to stderr, cleaned as all the rest."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(self.format(record))


def console(*, stderr: bool = False) -> Console:
    """A rich console that cleans every string, in tables, too, and reads no markup from it."""
    # Not at the top: most commands print no table.
    from rich.console import Console
    from rich.text import Text

    class CleanConsole(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            how |= {"markup": False, "emoji": False, "highlight": False}
            return super().render_str(clean_text(text, LONGEST_SAID), **how)

    stream = sys.stderr if stderr else sys.stdout
    return CleanConsole(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH)
