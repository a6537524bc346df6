"""Text that a model, a trial, a server or a file contains, made safe to show.

    >>> print(clean_line("loss \\x1b]0;hi\\x07\\nnan", 80))
    loss \\x1b]0;hi\\x07 nan
    >>> print(clean_text("step\\t1\\nstep\\t\\x1b2", 80))     # keeps line feeds and tabs
    step    1
    step    \\x1b2

What no reader can see is written out as Python writes it: control characters, changes of writing
direction, zero-width and other invisible characters, line separators that are no line feed, tags,
lone surrogates, private use. Backslashes stay as they are, so that cleaning twice changes nothing.

Some scripts need invisible characters inside words: joiners (Persian, Hindi, emoji), variation
selectors of the basic plane, Mongolian's. They stay where both their neighbours (for selectors, the
one before) can be seen and are not ASCII; hidden between Latin letters they are written out.
"""

from __future__ import annotations

import re

MORE = "…"
# So many marks may stand on one character: more would cover the lines above and below.
MOST_MARKS = 8

_HIDDEN = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u200b\\u200e"
    "\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\uf8ff\\ufdd0-\\ufdef\\ufeff\\uffa0"
    "\\ufff0-\\ufffb\\ufffe\\uffff\\U00013430-\\U0001345f\\U0001bca0-\\U0001bca3"
    "\\U0001d173-\\U0001d17a\\U000e0000-\\U0010ffff"
    # The last two code points of the other planes are no characters.
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(1, 14))
)
_JOINERS = "\\u200c\\u200d\\u180e"
_SELECTORS = "\\ufe00-\\ufe0f\\u180b-\\u180d\\u180f"
_MARKS = (
    "\\u0300-\\u036f\\u0483-\\u0489\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f"
)
_SEEN = f"[^\\x00-\\x7f{_HIDDEN}{_JOINERS}{_SELECTORS}]"

_ON_TOP = f"[{_MARKS}{_JOINERS}{_SELECTORS}]"
# Compiled when they are first needed, and kept by `re`: who shows nothing yet starts sooner.
_STACK = f"({_ON_TOP}{{{MOST_MARKS}}})({_ON_TOP}+)"
_UNSEEN = (
    f"[{_HIDDEN}]+"
    f"|(?<!{_SEEN})[{_SELECTORS}]"
    f"|(?<!{_SEEN})(?<!{_SEEN}[{_SELECTORS}])[{_JOINERS}]"
    f"|[{_JOINERS}](?!{_SEEN})"
)
# Only text with one of these can change: one quick pass finds that nearly none does.
_SPECIAL = f"[{_HIDDEN}{_MARKS}{_JOINERS}{_SELECTORS}]"
_SPACES = "[ \t\n]+"


def clean_text(text: str, limit: int) -> str:
    """Text of several lines as at most `limit` (1 or more) characters; where its end is cut off
    stands a `…`. Line ends of other systems become line feeds."""
    # Only line ends shrink, by half.
    head = text[: 2 * limit]
    return _cut(_written_out(head), limit, len(head) < len(text))


def clean_line(text: str, limit: int) -> str:
    """The same as one line: white space is one blank, and none at the ends."""
    text = text.strip(" \t\r\n")
    head = text[: 4 * limit]
    return _cut(re.sub(_SPACES, " ", _written_out(head)).strip(" "), limit, len(head) < len(text))


def _written_out(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not re.search(_SPECIAL, text):
        return text
    text = re.sub(_STACK, lambda found: found[1] + _escaped(found[2]), text)
    return re.sub(_UNSEEN, lambda found: _escaped(found[0]), text)


def _escaped(text: str) -> str:
    return "".join(map(_escape, map(ord, text)))


def _escape(point: int) -> str:
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _cut(text: str, limit: int, more: bool) -> str:
    return text[: limit - 1] + MORE if more or len(text) > limit else text
