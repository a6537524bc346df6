"""The results as JSON, as Markdown to be pasted into docs/gpu.md, and as a table on the terminal.

Everything is written anew after each section, whole or not at all: a kill loses nothing finished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COLUMNS = ("section", "figure", "value", "target")
Results = dict[str, Any]


def write(results: Results, out: Path) -> None:
    """Writes gpu.json and gpu.md."""
    for name, text in {
        "gpu.json": json.dumps(results, indent=1) + "\n",
        "gpu.md": in_markdown(results),
    }.items():
        part = out / f".{name}"
        part.write_text(text)
        part.replace(out / name)


def read(out: Path) -> Results:
    """The results of an earlier run; empty where there are none."""
    path = out / "gpu.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def rows(results: Results) -> list[tuple[str, str, str, str]]:
    """A row a figure; a section without figures has one that says why."""
    found = []
    for name, section in results["sections"].items():
        lines = [(f["what"], f["value"], f["target"]) for f in section["figures"]]
        if section["status"] != "done":
            lines.append((section["status"], section["reason"], ""))
        found += [(name if n == 0 else "", *line) for n, line in enumerate(lines)]
    return found


def in_markdown(results: Results) -> str:
    lines = [f"{results['date']}: {results['head']}. Sandbox: {results['sandbox']}.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows(results)]
    told = remarks(results)
    return "\n".join([*lines, *(["", *(f"- {line}" for line in told)] if told else []), ""])


def on_terminal(results: Results) -> str:
    table = [COLUMNS, *rows(results)]
    widths = [min(60, max(len(row[n]) for row in table)) for n in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return "\n".join(
        [results["head"], f"sandbox: {results['sandbox']}", "", *lines, "", *remarks(results)]
    )


def remarks(results: Results) -> list[str]:
    return results["remarks"] + [
        f"{name}: {remark}"
        for name, section in results["sections"].items()
        for remark in section["remarks"]
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
