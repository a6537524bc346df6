"""The end of a log that hostile code wrote: bounded, and always text."""

from __future__ import annotations

from pathlib import Path

LOG_BYTES = 256 * 1024


def tail(path: Path, limit: int = LOG_BYTES) -> str:
    """The last `limit` bytes of a file as text; empty when there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            text = file.read(limit).decode(errors="replace")
    except FileNotFoundError:
        return ""
    return text if size <= limit else f"[{size - limit} bytes left out]\n{text}"


def last_line(text: str) -> str:
    """The last line that says something, cut to 500 characters."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else ""
