"""Which file an edit is about, read from the line above it or from its fence."""

import re
from collections.abc import Collection

DECORATION = re.compile(r"^(?:\s|#+|//|--|>|[-*+]\s|\d+[.)]\s|\*\*)+")
LEAD_IN = re.compile(
    r"^(?:in|file|filename|path|file ?path|edit|update|modify|change|create|add|new file)"
    r"\b[\s:*`]*(?=\S*[./]\S)",
    re.IGNORECASE,
)
PATH_SHAPE = re.compile(r"[^\s`*\"'<>|()]*(?:/[^\s`*\"'<>|()]+|[^\s`*\"'<>|()./]\.\w{1,10})")
LONGEST_HEADING = 300


def looks_like_path(token: str, known: Collection[str]) -> bool:
    return token in known or PATH_SHAPE.fullmatch(token) is not None


def path_in_heading(line: str, known: Collection[str]) -> str | None:
    """The one file that a line such as "**train.py**:" or "In `train.py`:" names, else None."""
    if len(line) > LONGEST_HEADING:
        return None
    rest = LEAD_IN.sub("", DECORATION.sub("", line.strip())).strip("`*\"': \t")
    if looks_like_path(rest, known):
        return rest
    quoted = {t for t in re.findall(r"`([^`]+)`", line) if looks_like_path(t, known)}
    plain = {t for t in re.split(r"[\s`*\"'(),:;]+", line) if t.rstrip(".") in known}
    named = quoted | {t.rstrip(".") for t in plain}
    return named.pop() if len(named) == 1 else None


def path_in_fence(info: str, known: Collection[str]) -> str | None:
    """The file that a fence's info string names: "python train.py", "python:train.py"."""
    tokens = re.split(r"[\s:=\"'{}]+", info[:LONGEST_HEADING])
    named = [t for t in tokens if looks_like_path(t, known)]
    return named[0] if len(named) == 1 else None
