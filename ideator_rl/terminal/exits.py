"""How a command ends: a user's mistake is one line on stderr and exit code 2; an interrupted or
failed job is 1.

    exit_with(job)          # exits with the code that the job returns, or that its end means
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

from executor.errors import UserError
from executor.text.outside_text import clean_line
from ideator_rl.terminal.terminal import TerminalHandler, warn

LONGEST_ERROR = 2000
_log = logging.getLogger(__name__)
_PACKAGES = ("executor", "gym_envs", "ideator_rl")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line; every command knows `--debug`."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.add_argument(
            "--debug", action=_Debug, help="show what led to an error, and what is logged"
        )

    def error(self, message: str) -> NoReturn:
        line = clean_line(message, LONGEST_ERROR)
        self.exit(2, f"{self.prog}: {line}; see {self.prog} --help\n")


class _Debug(argparse.Action):
    """Takes effect where it is read, so that it works before a subcommand and behind it."""

    def __init__(self, option_strings: Sequence[str], dest: str, **how: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **how)

    def __call__(self, *_: object) -> None:
        # Other packages' logs would bury ours.
        for name in _PACKAGES:
            logging.getLogger(name).setLevel(logging.DEBUG)


def exit_with(job: Callable[[], int]) -> NoReturn:
    """Runs a job and exits with the code that it returns, or that its end means."""
    # Slurm and others end a job with SIGTERM: the same orderly end as Ctrl-C, which a job in the
    # background of a script would ignore from its start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which nohup asks for
        signal.signal(signal.SIGHUP, _interrupt)
    _open_closed_streams()
    logging.basicConfig(handlers=[TerminalHandler()], format="%(message)s")
    try:
        code = job()
    except UserError as error:
        _log.debug("%s", _cause(error))
        warn(f"ideator-rl: {clean_line(str(error), LONGEST_ERROR)}")
        code = 2
    except KeyboardInterrupt:
        warn("ideator-rl: interrupted")
        code = 1
    except BrokenPipeError:
        code = 1
    except Exception as error:
        code = 1
        # A mistake of ours, in full; what it quotes may be anybody's.
        lines = _cause(error)
        if isinstance(error, OSError) and error.errno in _FULL:
            _log.debug("%s", lines)
            lines = f"ideator-rl: the output cannot be written: {error.strerror}"
        warn(lines)
    sys.exit(code)


def _cause(error: BaseException) -> str:
    """What led to an error."""
    # Not at the top: what ends well needs nothing of it.
    from executor.causes import cause_of

    return cause_of(error)


def _open_closed_streams() -> None:
    """Where a shell closed one (`2>&-`), what is said goes nowhere, and into no file of ours."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
