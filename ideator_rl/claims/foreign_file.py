"""Prints the rows of a file from anywhere as JSON lines: a process of its own, easy to lose.

    python foreign_file.py MOST_ROWS COLUMN,COLUMN,… FILE…

A line is `{"row": {…}}` with the columns that are asked for, the last one `{"end": n}` or
`{"error": "…"}`. A Parquet file can claim any size and hold text that unpacks to any length: who
starts the process bounds its memory and processor time, see `foreign_set.py`. It imports nothing of
this package, to start fast.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 32
_LONGEST_LINE, _LONGEST_TEXT = 2**24, 2**22


def main(most_rows: int, columns: Collection[str], paths: list[str]) -> None:
    """Prints all rows, or fewer and what is wrong."""
    rows = (row for path in paths for row in _read(Path(path), columns))
    count = 0
    try:
        for row in islice(rows, most_rows + 1):
            if count == most_rows:
                raise ValueError(f"it has more than {most_rows:,} rows")
            print(json.dumps({"row": _plain(row)}))
            count += 1
        print(json.dumps({"end": count}))
    except Exception as error:  # whatever a library does with a file that is not what it says
        print(json.dumps({"error": str(error)[:1000] or type(error).__name__}))


def _read(path: Path, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    read = _read_lines if path.suffix == ".jsonl" else _read_parquet
    return read(path, columns)


def _read_lines(path: Path, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            row = json.loads(line) if line.strip() else None
            if row is not None and not isinstance(row, dict):
                raise ValueError(f"line {number} is not a JSON object")
            if row:
                yield {name: value for name, value in row.items() if name in columns}


def _read_parquet(path: Path, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    known = [name for name in file.schema_arrow.names if name in columns]
    if not known:
        names = ", ".join(file.schema_arrow.names[:20])
        raise ValueError(f"none of its columns is known here: {names}")
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=known, use_threads=False):
        yield from batch.to_pylist()


def _plain(value: Any) -> Any:
    """The value as JSON has it, null for what is not finite. Raises ValueError for other types."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"it holds a text of {len(value):,} characters")
        return value.encode(errors="backslashreplace").decode()  # JSON has no lone surrogates
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"it holds values of the type {type(value).__name__}")


if __name__ == "__main__":
    main(int(sys.argv[1]), frozenset(sys.argv[2].split(",")), sys.argv[3:])
