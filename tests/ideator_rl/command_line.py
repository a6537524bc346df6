"""Runs `ideator-rl` as a person would: a process of its own, in a folder of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from ideator_rl.cli import main
from tests.tiny_problem import make_problem

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RECIPE = """
env: {env}
run: first
search:
  epoch_size: 4
budget:
  ideas: 12
executor:
  slots: 2
  baseline_seeds: 2
confirm:
  top: 2
  seeds: 2
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def make_workplace(folder: Path, extra: str = "") -> Path:
    """A folder with the tiny problem `tiny/` and a recipe `config.yaml` for it."""
    make_problem(folder / "tiny")
    (folder / "config.yaml").write_text(RECIPE.format(env=folder / "tiny") + extra)
    return folder


def command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "ideator_rl", *words]


def ideator_rl(folder: Path, *words: str, timeout: float = 120, **env: str) -> Done:
    done = subprocess.run(
        command(words),
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def in_process(folder: Path, *words: str, **env: str) -> Done:
    """The same in this process, for commands that end before anything starts."""
    streams = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in ENDINGS}
    environment = dict(os.environ)
    try:
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            patch.chdir(folder)
            for name, value in env.items():
                patch.setenv(name, value)
            out, err = redirect_stdout(streams[0]), redirect_stderr(streams[1])
            with out, err, pytest.raises(SystemExit) as ended:
                main(words)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(environment)
    out, err = (stream.getvalue() for stream in streams)
    assert "Traceback" not in err, err
    assert isinstance(ended.value.code, int)
    return Done(ended.value.code, out, err)


def processes_mentioning(text: str) -> list[int]:
    """Every process with `text` in its command line or environment, this one excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            if text.encode() in told and b"Z (zombie)" not in (entry / "status").read_bytes():
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def wait_until_gone(text: str, seconds: float) -> list[int]:
    """The processes that are still there after at most `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := processes_mentioning(text)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
