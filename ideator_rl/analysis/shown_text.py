"""Texts of ideas and trials, cleaned and cut to what reports and tables show.

>>> clean("loss nan\\x1b[2J")
'loss nan\\\\x1b[2J'
"""

from __future__ import annotations

from executor.records import Idea
from executor.text.outside_text import clean_line, clean_text

MAX_LOG_LINES = 40
MAX_LOG_BYTES = 6_000
MAX_TEXT_CHARS = 20_000
MAX_TITLE_CHARS = 180
CUT = "\n… cut here\n"


def clean(text: str, limit: int = 200) -> str:
    """A text that can be shown, cut at the end to about `limit` characters."""
    return clean_text(text[:limit] + CUT if len(text) > limit else text, 10 * limit)


def tail(log: str) -> str:
    """The last lines of a log: at most MAX_LOG_LINES, and MAX_LOG_BYTES of UTF-8."""
    end = clean_text(log[-4 * MAX_LOG_BYTES :], 40 * MAX_LOG_BYTES)
    lines = end.removesuffix("\n").split("\n")[-MAX_LOG_LINES:]
    return "\n".join(lines).encode()[-MAX_LOG_BYTES:].decode(errors="ignore")


def idea_title(idea: Idea) -> str:
    """One line: the title that the ideator gave, else how the experiment begins."""
    experiment = idea.text.partition("[Code Changes]")[0].replace("[Experiment]", " ").strip()
    text = str(idea.meta.get("title") or experiment or idea.text)
    return clean_line(text, MAX_TITLE_CHARS)
