"""Writes rows as a data set that `datasets.load_dataset` loads: a Parquet file and its card.

    write_data_set(rows, Path("my-ideas"))
    datasets.load_dataset("my-ideas")["train"]

The folder appears whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template

from executor.errors import UserError
from executor.text.outside_text import clean_line
from ideator_rl.sharing.columns import COLUMNS, table_schema
from ideator_rl.sharing.rows import Row, metric_names

DATA = "data/train-00000-of-00001.parquet"
_LONGEST_CELL = 120
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))


def write_data_set(rows: Sequence[Row], folder: Path, name: str = "") -> None:
    """Writes the data set.

    Args:
        rows: with the keys of `COLUMNS`, the rows of a run side by side.
        folder: a new folder, or an empty one.
        name: the title of its card; by default the folder's name.

    Raises:
        UserError: the folder is there and not empty, or cannot be written.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already; remove it, or choose another --out")
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(list(rows), schema=table_schema(metric_names(list(rows))))
    fresh: str | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
        (Path(fresh) / DATA).parent.mkdir()
        parquet.write_table(table, Path(fresh) / DATA, compression="zstd")
        (Path(fresh) / "README.md").write_text(card(rows, name or folder.name))
        Path(fresh).chmod(0o755)  # mkdtemp's is for its owner only
        Path(fresh).rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)


def card(rows: Sequence[Row], name: str) -> str:
    """The card of a data set, Markdown with YAML in front."""
    size = next((told for most, told in _SIZES if len(rows) < most), "n>1M")
    runs = [list(group) for _, group in groupby(rows, key=lambda row: row["run"])]
    text = (files("ideator_rl.sharing") / "card.md").read_text()
    return Template(text).substitute(
        name=_cell(name),
        size=size,
        count=f"{len(rows):,}",
        runs="\n".join(_run_line(group) for group in runs),
        columns="\n".join(f"| `{name}` | {told} |" for name, (_, told) in COLUMNS.items()),
    )


def _run_line(rows: Sequence[Row]) -> str:
    first = rows[0]
    rewards = [row["reward"] for row in rows if row["status"] == "completed"]
    survivors = [row for row in rows if (row["confirmation"] or {}).get("survives")]
    is_confirmed = any(row["confirmation"] for row in rows)
    cells = (
        _cell(first["run"]),
        _cell(first["env"] or "?"),
        f"`{first['problem_version'] or '?'}`",
        len(rows),
        len(rewards),
        _figure(first["baseline_reward"]),
        _figure(max(rewards, default=None)),
        len(survivors) if is_confirmed else "–",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    """A text that neither ends a cell of the table nor a line of the YAML."""
    return "".join(
        c if c.isalnum() or c in "._-/ " else "_" for c in clean_line(text, _LONGEST_CELL)
    )
