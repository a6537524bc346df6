"""Which file an edit is about, read from the line above it or from its fence."""

import re
from collections.abc import Collection

from executor.edits.lines import bare

DECORATION = re.compile(r"^(?:\s|#+|//|--|>|[-*+]\s|\d+[.)]\s|\*\*)+")
LEAD_IN = re.compile(
    r"^(?:in|file|filename|path|file ?path|edit|update|modify|change|create|add|new file)"
    r"\b[\s:*`]*+(?=\S*[./]\S)",
    re.IGNORECASE,
)
NOT_IN_PATHS = re.compile(r"[\s`*\"'<>|()]")
PATH_SHAPE = re.compile(r".*/.+|.*[^./]\.\w{1,10}")
FENCE = re.compile(r"( {0,12}|\t)(`{3,}+|~{3,}+)([^`]*)$")
CREATES = re.compile(r"\b(?:new|create[ds]?|add(?:ed|s)?)\b|新|创建|添加", re.IGNORECASE)
COMMENT = re.compile(r"\s*(?:#|//)\s*(\S+)\s*$")
LONGEST_HEADING = 300


def looks_like_path(token: str, known: Collection[str]) -> bool:
    if token in known:
        return True
    return not NOT_IN_PATHS.search(token) and PATH_SHAPE.fullmatch(token) is not None


def path_in_heading(line: str, known: Collection[str]) -> str | None:
    """The one file that a line such as "**train.py**:" or "In `train.py`:" names, else None."""
    if len(line) > LONGEST_HEADING:
        return None
    if looks_like_path(rest := _undecorated(line), known):
        return rest
    quoted = {t for t in re.findall(r"`([^`]+)`", line) if looks_like_path(t, known)}
    plain = {t for t in re.split(r"[\s`*\"'(),:;：，。（）]+", line) if t.rstrip(".") in known}
    named = quoted | {t.rstrip(".") for t in plain}
    return named.pop() if len(named) == 1 else None


def _undecorated(line: str) -> str:
    return LEAD_IN.sub("", DECORATION.sub("", line.strip())).strip("`*\"':： \t")


def path_of_whole(rows: list[str], i: int, known: Collection[str]) -> str | None:
    """The file whose text is in the fence that rows[i] opens: named in its row, right above it, or
    in a comment that is its first row. A file that is not there must be plainly announced."""
    fence = FENCE.match(bare(rows[i]))
    if fence and (name := path_in_fence(fence[3], known)):
        return name
    first = bare(rows[i + 1]) if i + 1 < len(rows) else ""
    if (comment := COMMENT.match(first)) and looks_like_path(comment[1], known):
        return comment[1]
    above = next((row for n in range(i - 1, -1, -1) if (row := bare(rows[n])).strip()), "")
    if FENCE.match(above) or not (name := path_in_heading(above, known)):
        return None
    plain = name in known or _undecorated(above) == name or CREATES.search(above)
    return name if plain else None


def path_in_fence(info: str, known: Collection[str]) -> str | None:
    """The file that a fence's info string names: "python train.py", "python:train.py"."""
    tokens = re.split(r"[\s:=\"'{}]+", info[:LONGEST_HEADING])
    named = [t for t in tokens if looks_like_path(t, known)]
    return named[0] if len(named) == 1 else None
