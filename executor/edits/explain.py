"""Why a hunk was not found, in words and lines that its writer can repair it from."""

from collections.abc import Sequence

from executor.edits.fuzzy import squeezed, votes
from executor.edits.likeness import LONGEST, Matcher
from executor.edits.omissions import is_omission
from executor.edits.records import Hunk

MOST_LINES = 5000  # of the file are compared with
QUOTED = 5


def quoted(text: str) -> str:
    return "`" + (text if len(text) <= LONGEST else text[:LONGEST] + "...") + "`"


def explain_missing(hunk: Hunk, lines: Sequence[str]) -> str:
    """The first line that differs, or the lines of the file that come nearest."""
    old = [line.text for line in hunk.old]
    if gaps := [text for text in old if is_omission(text)]:
        return (
            f"was not found: {quoted(gaps[0].strip())} leaves lines out; quote neighbouring lines "
            "only, and write one hunk or block for each place"
        )
    start = _best_start(hunk, lines)
    if start is None:
        longest = max(old, key=lambda text: len(text.strip()))
        near = _nearest_line(longest, lines)
        if near is None:
            return f"was not found: the file has no line like {quoted(longest)}"
        return (
            f"was not found: the file has no line {quoted(longest)}; the nearest lines are:\n"
            + _numbered(lines, near - QUOTED // 2)
        )
    for k, text in enumerate(old):
        there = lines[start + k] if 0 <= start + k < len(lines) else None
        if there is None or squeezed(text) != squeezed(there):
            expected = quoted(text) if text.strip() else "a blank line"
            return f"was not found: it has {expected} where the file has:\n" + _numbered(
                lines, start + k - QUOTED // 2
            )
    return (
        "fits here only with other white space; quote the lines exactly as the file has them:\n"
        + _numbered(lines, start)
    )


def _best_start(hunk: Hunk, lines: Sequence[str]) -> int | None:
    best = votes(hunk.old, lines).most_common(1)
    return best[0][0] if best else None


def _nearest_line(text: str, lines: Sequence[str]) -> int | None:
    wanted = squeezed(text)[:LONGEST]
    matcher = Matcher(None, "", wanted, autojunk=False)
    best, best_ratio = None, 0.5
    for i, line in enumerate(lines[:MOST_LINES]):
        matcher.set_seq1(squeezed(line)[:LONGEST])
        if matcher.quick_ratio() > best_ratio and (ratio := matcher.ratio()) > best_ratio:
            best, best_ratio = i, ratio
    return best


def _numbered(lines: Sequence[str], first: int) -> str:
    first = max(0, min(first, len(lines) - QUOTED))
    shown = lines[first : first + QUOTED]
    return "\n".join(f"{first + n + 1:5} | {line[:LONGEST]}" for n, line in enumerate(shown))
