"""Which paths an edit may touch. Every path of every edit passes `check_path` first."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from posixpath import basename

from executor.edits.errors import ForbiddenEdit
from executor.edits.likeness import nearest

LONGEST = 1000
MOST_PARTS = 32
LONGEST_PART = 255  # bytes, as file systems have it
COMPARED = 1000  # so many names with one that is not there
SHOWN = 8  # at most so many names in a message
GLOB = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)
GLOB_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
STRANGE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|^[A-Za-z]:")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    pattern = pattern.removeprefix("./")
    if pattern.endswith("/"):
        pattern += "**"
    pieces = []
    for piece in GLOB.findall(pattern):
        if len(piece) > 2 and piece[0] == "[":
            members = re.escape(piece[1:-1].removeprefix("!")).replace(r"\-", "-")
            pieces.append(f"[{'^' if piece[1] == '!' else ''}{members}]")
        else:
            pieces.append(GLOB_MEANING.get(piece, re.escape(piece)))
    return re.compile("".join(pieces), re.DOTALL)


def is_editable(path: str, editable: Sequence[str]) -> bool:
    return any(_compiled(pattern).fullmatch(path) for pattern in editable)


def is_frozen(path: str, frozen: Sequence[str]) -> bool:
    """A pattern also freezes what lies below it, and other spellings of upper and lower case."""
    parts = path.lower().split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(_compiled(pattern.lower()).fullmatch(p) for pattern in frozen for p in above)


def listed(names: Collection[str]) -> str:
    """Names for a message, shortened."""
    shown = sorted(names)[:SHOWN]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def did_you_mean(path: str, known: Collection[str]) -> str:
    """A hint at an existing file of the same or nearly the same name; may be empty."""
    same_name = sorted(k for k in known if basename(k) == basename(path))
    near = same_name[0] if same_name else nearest(path[:200], sorted(known)[:COMPARED])
    return f" (did you mean {near}?)" if near else ""


def normal_path(path: str) -> str:
    """The path without a leading "./"; refuses everything that is not plainly inside."""
    shown = repr(path[:200])
    if path.startswith(("/", "~")) or STRANGE.search(path):
        raise ForbiddenEdit(
            f"{shown} is outside the codebase: use relative paths with forward slashes"
        )
    parts = path.removeprefix("./").split("/")
    if (
        len(path) > LONGEST
        or len(parts) > MOST_PARTS
        or any(
            part in ("", ".", "..") or part.lower() == ".git" or len(part.encode()) > LONGEST_PART
            for part in parts
        )
    ):
        raise ForbiddenEdit(f"{shown} is not a plain path inside the codebase")
    return "/".join(parts)


def check_path(
    path: str, known: Collection[str], editable: Sequence[str], frozen: Sequence[str]
) -> str:
    """The normalised path, if an edit may touch it."""
    path = normal_path(path)
    if is_frozen(path, frozen):
        raise ForbiddenEdit(f"{path} is frozen and must stay as it is: leave this file alone")
    if not is_editable(path, editable):
        allowed = ", ".join(editable) or "none"
        hint = did_you_mean(path, [k for k in known if is_editable(k, editable)])
        raise ForbiddenEdit(f"{path} may not be edited{hint}: the editable files are {allowed}")
    return path
