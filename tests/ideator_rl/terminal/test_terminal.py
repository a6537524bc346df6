"""What reaches a person's terminal is text: no control sequence, and no markup."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from rich.table import Table

import ideator_rl
from executor import Idea, Outcome
from executor.errors import UserError
from ideator_rl.terminal.exits import exit_with
from ideator_rl.terminal.progress import counting, outcome_line, progress
from ideator_rl.terminal.terminal import TerminalHandler, console, say, say_json

HOSTILE = "[red]x[/nope] :bomb:\x1b]0;title\x07\x9b2J\u202eabc\rcompleted reward 9"
SHOWN = r"[red]x[/nope] :bomb:\x1b]0;title\x07\x9b2J\u202eabc"
# What rich itself writes: colours, the cursor, lines that it draws again.
OURS = re.compile(r"\x1b\[(?:\d+(?:;\d+)*m|\?25[lh]|2K|\d*A)")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")


@contextmanager
def open_terminal() -> Iterator[Terminal]:
    """In the place of stdout and stderr."""
    with Terminal() as made, redirect_stdout(made), redirect_stderr(made):
        yield made


def seen(terminal: Terminal) -> str:
    """What was written without what rich writes of its own; none of the rest controls anything."""
    text = OURS.sub("", terminal.getvalue()).replace("\r", "\n")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    return text


def test_lines_are_cleaned() -> None:
    with open_terminal() as terminal:
        say(HOSTILE)
        assert seen(terminal) == f"{SHOWN}\ncompleted reward 9\n"


def test_tables_are_cleaned_and_read_no_markup() -> None:
    with open_terminal() as terminal:
        table = Table(HOSTILE, "plain")
        table.add_row(HOSTILE, "[bold]b")
        out = console()
        out.print(table)
        out.print(HOSTILE)
        assert seen(terminal).count(SHOWN) == 3 and "[bold]b" in seen(terminal)


def test_json_is_ascii_that_a_program_can_read() -> None:
    with open_terminal() as terminal:
        say_json({"a": HOSTILE + "\x7f"})
        assert json.loads(seen(terminal)) == {"a": HOSTILE + "\x7f"}
        assert terminal.getvalue().isascii()


def test_an_outcome_is_one_line_whoever_wrote_its_parts() -> None:
    hostile = HOSTILE.replace("\r", "\n")
    line = outcome_line(Idea("a", "", origin=hostile), Outcome("a", "crashed", 0.0, detail=hostile))
    assert "\n" not in line and "\x1b" not in line and SHOWN in line


def test_a_bar_shows_outcomes_as_text() -> None:
    with open_terminal() as terminal:
        with progress(2) as show:
            show(Idea("a", HOSTILE, origin="sample"), Outcome("a", "crashed", 0.0, detail=HOSTILE))
        with counting(1, f"sampling {HOSTILE}") as count:
            count()
        lines = seen(terminal).splitlines()
        assert any(line.startswith("a ") and SHOWN in line for line in lines)
        assert any(f"sampling {SHOWN}" in line for line in lines)
        assert not any(line.startswith("completed") for line in lines)


@pytest.mark.parametrize("error", [UserError(HOSTILE), RuntimeError(HOSTILE)])
def test_errors_are_cleaned(error: Exception) -> None:
    with open_terminal() as terminal:

        def fail() -> int:
            raise error

        with pytest.raises(SystemExit):
            exit_with(fail)
        assert SHOWN in seen(terminal)
        if isinstance(error, UserError):
            assert seen(terminal) == f"ideator-rl: {SHOWN} completed reward 9\n"


def test_warnings_of_libraries_are_cleaned() -> None:
    with open_terminal() as terminal:
        record = logging.LogRecord("x", logging.WARNING, "", 0, "%s", (HOSTILE,), None)
        TerminalHandler().handle(record)
        assert seen(terminal) == f"{SHOWN}\ncompleted reward 9\n"


def test_nothing_else_prints() -> None:
    """There is no other way to the terminal in the package. The output of the process that reads a
    stranger's file is a pipe."""
    package = Path(ideator_rl.__file__).parent
    for path in package.rglob("*.py"):
        if path.name not in ("terminal.py", "foreign_file.py"):
            code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
            assert not re.search(r"(?<![\w.])print\(|\bConsole\(|std(?:out|err)\.write", code), path
