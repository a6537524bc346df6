"""Reads a data set from anywhere: Parquet or JSONL, a file, a folder, or `org/name` of the hub.

    rows = read_foreign("digits-ideas")
    rows[0].idea, rows[0].result

Files are parsed by a process of its own, see `foreign_file.py`: no file takes more than MEMORY,
CPU_SECONDS, MOST_ROWS and MOST_BYTES of JSON.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from executor.errors import UserError
from executor.processes.processes import how_it_ended, start
from executor.settings import FieldError
from executor.text.outside_text import clean_line
from ideator_rl.claims.foreign_row import KNOWN_NAMES, ForeignRow, parse_row
from ideator_rl.hub import fetch_files, is_name, require_datasets

MOST_ROWS, MOST_FILES, MOST_BYTES = 100_000, 1000, 2**28
MEMORY, CPU_SECONDS = 4 * 2**30, 120
_LONGEST_REASON = 300
_READER = Path(__file__).with_name("foreign_file.py")


def read_foreign(name: str) -> list[ForeignRow]:
    """The rows of a data set.

    Args:
        name: a file, a folder, or `org/name` of the hub where there is no such folder.

    Returns:
        Its rows, at least one.

    Raises:
        UserError: it is not there, or is no such set, in one line.
    """
    rows: list[ForeignRow] = []
    for raw in _read(name, _files(name)):
        try:
            rows.append(parse_row(raw))
        except FieldError as error:
            raise _unreadable(name, f"row {len(rows)}: {error}") from None
    if not rows:
        raise _unreadable(name, "it holds no rows")
    return rows


def _files(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if not path.exists():
        if is_name(name):
            return fetch_files(name)
        raise UserError(f"{name}: no such file or folder, and no name of a data set on the hub")
    if path.is_file():
        found = [path] if path.suffix in (".parquet", ".jsonl") else []
    else:
        found = sorted(path.rglob("*.parquet")) or sorted(path.rglob("*.jsonl"))
    if not 0 < len(found) <= MOST_FILES:
        raise UserError(
            f"{name}: holds {len(found) or 'no'} Parquet or JSONL files; name a folder or a file "
            "that `ideator-rl export` wrote, or another of that form"
        )
    return found


def _read(name: str, paths: list[Path]) -> Iterator[dict[str, Any]]:
    """What a process of its own reads, row by row. Raises UserError."""
    if any(path.suffix == ".parquet" for path in paths):
        require_datasets(f"{name}: a Parquet file")
    reading, writing = os.pipe()
    files = [str(path.absolute()) for path in paths]
    columns = ",".join(sorted(KNOWN_NAMES))
    command = [sys.executable, "-P", str(_READER), str(MOST_ROWS), columns, *files]
    with open(reading, "rb") as answers:
        try:
            process = start(command, cwd=Path("/"), env=_env(), output=writing, before=[_limit])
        finally:
            os.close(writing)
        try:
            left = MOST_BYTES
            while line := answers.readline(left + 1):
                left -= len(line)
                if left < 0:
                    raise _unreadable(name, f"it holds more than {MOST_BYTES >> 20} MiB of text")
                match msgspec.json.decode(line):
                    case {"row": row}:
                        yield row
                    case {"error": reason}:
                        raise _unreadable(name, reason)
                    case _:
                        return
            raise _unreadable(
                name,
                f"the process that read it {how_it_ended(process.wait())}: it takes more than "
                f"{MEMORY >> 30} GiB of memory or {CPU_SECONDS} s, as a file made to harm does",
            )
        except msgspec.DecodeError:
            raise _unreadable(name, "the process that read it said no rows") from None
        finally:
            process.kill()
            process.wait()


def _limit() -> None:
    """In the new process: bounds it, and lets it say nothing but rows."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _env() -> dict[str, str]:
    """None of our variables, which may hold keys, but for what finds the package."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than they use
        "OMP_NUM_THREADS": "1",
    }


def _unreadable(name: str, reason: str) -> UserError:
    return UserError(f"{name}: cannot be read: {clean_line(reason, _LONGEST_REASON)}")
