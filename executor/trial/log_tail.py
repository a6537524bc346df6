"""The end of a log that hostile code wrote: bounded, and text that can be shown."""

from __future__ import annotations

from pathlib import Path

from executor.text.outside_text import clean_line, clean_text

LOG_BYTES = 256 * 1024
LONGEST_REASON = 500


def tail(path: Path, limit: int = LOG_BYTES) -> str:
    """The last `limit` bytes of a file, cleaned: at most `limit` characters, and a line on what is
    left out; empty when there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            text = file.read(limit).decode(errors="replace")
    except FileNotFoundError:
        return ""
    # Written out, a character can take ten.
    shown = clean_text(text, 10 * limit + 1)
    if size <= limit and len(shown) <= limit:
        return shown
    return f"[{max(0, size - limit)} bytes left out]\n{shown[-limit:]}"


def last_line(text: str) -> str:
    """The last line that is not empty, cleaned and cut."""
    lines = clean_text(text, 10 * LOG_BYTES).split("\n")
    return clean_line(next((line for line in reversed(lines) if line.strip()), ""), LONGEST_REASON)
