"""Unified diffs, well-formed or as language models write them.

The counts in a hunk's header end the hunk only where they are plainly right; otherwise its body
goes on as long as lines look like one. Line numbers are kept as a claim, never trusted here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from executor.edits.blocks import OPENING
from executor.edits.diff_names import NOWHERE, file_name, git_names, unquoted, without_prefixes
from executor.edits.errors import EditError, ForbiddenEdit
from executor.edits.lines import bare
from executor.edits.records import FileEdit, Hunk, Line

HUNK = re.compile(r"@@ *-(\d{1,9})(?:,(\d{1,9}))? +\+(\d{1,9})(?:,(\d{1,9}))?(?: |@|$)")
HUNK_MARK = re.compile(r"@@(\s|-|\.|$)")
FENCE_MARK = re.compile(r"(`{3,}|~{3,})")
EXTENDED = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to"
    r"|similarity index|dissimilarity index|index|Binary files|GIT binary patch)\b ?(.*)"
)
SIGNATURE = re.compile(r"-- \r?\n\d+\.\d+")  # below a patch that git made for a mail
# The patches that OpenAI's models are trained to write.
PATCH = re.compile(r"\*\*\* (Update|Add|Delete) File: +(\S.*)")
PATCH_MOVE = re.compile(r"\*\*\* Move to: +(\S.*)")
PATCH_MARK = re.compile(r"\*\*\* (Begin Patch|End Patch|End of File|(Update|Add|Delete) File:)")
SPECIAL_MODE = re.compile(r"\b(120000|160000)$")
BODY = {"", " ", "+", "-", "\\", "\t"}


@dataclass(frozen=True)
class PatchHeader:
    """What stands above the hunks of one file."""

    old: str | None = None
    new: str | None = None
    created: bool = False
    deleted: bool = False
    renamed: bool = False
    by_git: bool = False


# --- headers --------------------------------------------------------------------------------------


def _is_names_pair(rows: list[str], i: int) -> bool:
    """Whether "--- x" and "+++ y" stand here, or one of them right above a hunk."""
    row, below = rows[i], rows[i + 1] if i + 1 < len(rows) else ""
    if row.startswith("--- ") and below.startswith("+++ "):
        return True
    return row.startswith(("--- ", "+++ ")) and HUNK_MARK.match(below) is not None


def starts_diff(rows: list[str], i: int) -> bool:
    row = rows[i]
    return (
        row.startswith("diff --git ")
        or PATCH.match(row) is not None
        or HUNK_MARK.match(row) is not None
        or (row.startswith(("--- ", "+++ ")) and _is_names_pair(rows, i))
    )


def _read_header(rows: list[str], i: int, known: Collection[str]) -> tuple[PatchHeader, int]:
    header = PatchHeader()
    if patch := PATCH.match(bare(rows[i])):
        return _read_patch_header(patch[1], patch[2].strip(), rows, i + 1)
    if rows[i].startswith("diff --git "):
        old, new = git_names(rows[i])
        header, i = PatchHeader(old, new, by_git=True), i + 1
        while i < len(rows) and (match := EXTENDED.match(bare(rows[i]))):
            header, i = _extended(header, match[1], match[2], i), i + 1
    old, new = header.old, header.new
    if i < len(rows) and rows[i].startswith("--- "):
        old, i = file_name(rows[i]), i + 1
    if i < len(rows) and rows[i].startswith("+++ "):
        new, i = file_name(rows[i]), i + 1
    if header.renamed:  # the names behind "rename" have no prefixes
        return header, i
    old, new = without_prefixes(old, new, known)
    created, deleted = header.created or old == NOWHERE, header.deleted or new == NOWHERE
    return replace(header, old=old, new=new, created=created, deleted=deleted), i


def _read_patch_header(kind: str, name: str, rows: list[str], i: int) -> tuple[PatchHeader, int]:
    header = PatchHeader(name, name, created=kind == "Add", deleted=kind == "Delete", by_git=True)
    if i < len(rows) and (move := PATCH_MOVE.match(bare(rows[i]))):
        return replace(header, new=move[1].strip(), renamed=True), i + 1
    return header, i


def _extended(header: PatchHeader, key: str, value: str, row: int) -> PatchHeader:
    """The header with what one of git's extra rows says."""
    if (key.endswith("mode") or key == "index") and SPECIAL_MODE.search(value):
        kind = "a submodule" if value.endswith("160000") else "a symbolic link"
        path = (header.new or "").removeprefix("b/")
        raise ForbiddenEdit(f"{path} would become {kind}: only plain files can be edited")
    if key in ("Binary files", "GIT binary patch", "copy from", "copy to"):
        raise EditError(
            f"line {row + 1} of the idea, '{key}': binary files and copies are not understood, "
            "write the whole text of a new file instead"
        )
    changes = {
        "new file mode": {"created": True},
        "deleted file mode": {"deleted": True},
        "rename from": {"old": unquoted(value), "renamed": True},
        "rename to": {"new": unquoted(value), "renamed": True},
    }
    return replace(header, **changes.get(key, {}))  # type: ignore[arg-type]


# --- hunks ----------------------------------------------------------------------------------------


def _is_boundary(rows: list[str], i: int) -> bool:
    row = rows[i]
    marks = (FENCE_MARK, OPENING, PATCH_MARK)
    signed = row.startswith("-- ") and SIGNATURE.match("\n".join(rows[i : i + 2])) is not None
    return signed or starts_diff(rows, i) or any(mark.match(bare(row)) for mark in marks)


def _counted_end(
    rows: list[str], i: int, counts: tuple[int, int], fenced: bool, by_git: bool
) -> int | None:
    """Where the body ends by its header's counts, or None if they are not plainly right."""
    old, new = counts
    while old or new:
        # a removed "-- x" above an added "++ y" looks like the next file's names; git would have
        # announced that file with "diff --git"
        if i == len(rows) or (not by_git and _is_names_pair(rows, i)):
            return None
        tag = bare(rows[i])[:1] or " "
        if tag not in BODY - {"\t"}:
            return None
        old -= tag in " -"
        new -= tag in " +"
        if old < 0 or new < 0:
            return None
        i += 1
    while i < len(rows) and rows[i].startswith("\\"):
        i += 1
    rest = i
    while rest < len(rows) and not bare(rows[rest]):
        rest += 1
    if rest == len(rows) or _is_boundary(rows, rest):
        return i
    prose = not fenced and (rest > i or rows[rest][:1] not in BODY)
    return i if prose else None


def _uncounted_end(rows: list[str], i: int, fenced: bool) -> int:
    """Where the body ends by its looks. Inside a fence a context line may have lost its space."""
    while i < len(rows) and not _is_boundary(rows, i):
        if not fenced and bare(rows[i])[:1] not in BODY:
            break
        i += 1
    return i


def _lines(body: list[str], rows_are_crlf: bool) -> tuple[Line, ...]:
    carriage_returns_count = not rows_are_crlf and any(row.endswith("\r") for row in body)
    lines: list[Line] = []
    for row in body:
        if row.startswith("\\"):
            if lines:
                _, text, ending = lines[-1]
                lines[-1] = lines[-1]._replace(
                    text=text + "\r" if ending == "\r\n" else text, ending=""
                )
            continue
        tag, text = (row[0], row[1:]) if row[:1] in ("+", "-", " ") else (" ", row)
        ending = ("\r\n" if row.endswith("\r") else "\n") if carriage_returns_count else None
        lines.append(Line(tag, bare(text), ending))
    return tuple(lines)


def _read_hunk(
    rows: list[str], i: int, name: str, fenced: bool, by_git: bool
) -> tuple[Hunk, bool, int]:
    """A hunk, whether its header says that there was nothing before, and where it ends."""
    top = i
    header = HUNK.match(rows[i])
    start = old_count = new_count = None
    if HUNK_MARK.match(rows[i]):
        i += 1
    end = None
    if header:
        start, old_count, _, new_count = (1 if g is None else int(g) for g in header.groups())
        end = _counted_end(rows, i, (old_count, new_count), fenced, by_git)
    counted = end is not None
    if end is None:
        end = _uncounted_end(rows, i, fenced)
    body = rows[i:end]
    while body and not bare(body[-1]):
        body.pop()
    lines = _lines(body, rows_are_crlf=rows[top].endswith("\r"))
    cut_off = fenced and not counted and end == len(rows)
    hunk = Hunk(name, top + 1, lines, start, is_diff=True, cut_off=cut_off)
    return hunk, (start, old_count) == (0, 0) and not hunk.old, end


# --- diffs ----------------------------------------------------------------------------------------


def read_diff(
    rows: list[str], i: int, known: Collection[str], fenced: bool, named: str | None
) -> tuple[list[FileEdit], int]:
    """The diff that starts at rows[i], file by file, and the index of the row behind it.

    Hunks without a header are about the file `named` above them, if one is.
    """
    edits: list[FileEdit] = []
    while True:
        top, header = i, PatchHeader(old=named, new=named)
        if not HUNK_MARK.match(rows[i]) and starts_diff(rows, i):
            header, i = _read_header(rows, i, known)
        hunks: list[Hunk] = []
        new_file = header.created
        while i < len(rows):
            row = rows[i]
            headless = not hunks and row[:1] in BODY - {""} and not _is_boundary(rows, i)
            if not (HUNK_MARK.match(row) or headless):
                break
            name = f"hunk {len(hunks) + 1}"
            hunk, from_nothing, i = _read_hunk(rows, i, name, fenced, header.by_git)
            hunks.append(hunk)
            new_file = new_file or from_nothing
            i = _past_blanks(rows, i)
        edits += _file_edits(replace(header, created=new_file), hunks, top, known)
        following = _past_blanks(rows, i)
        if following == len(rows) or not starts_diff(rows, following):
            return edits, i
        i = following


def _past_blanks(rows: list[str], i: int) -> int:
    """Skips blank rows if the diff goes on behind them."""
    rest = i
    while rest < len(rows) and not bare(rows[rest]):
        rest += 1
    return rest if rest < len(rows) and starts_diff(rows, rest) else i


def _file_edits(
    header: PatchHeader, hunks: list[Hunk], top: int, known: Collection[str]
) -> list[FileEdit]:
    row = top + 1
    changes = tuple(hunk for hunk in hunks if hunk.changes)
    old, new = (None if name == NOWHERE else name for name in (header.old, header.new))
    if header.renamed or header.created or header.deleted:
        if not (old and new if header.renamed else old or new):
            raise EditError(f"line {row} of the idea: the diff does not name its file")
        if header.renamed:
            return [FileEdit(old, changes, row, "rename", new)]
        action: Literal["create", "delete"] = "create" if header.created else "delete"
        return [FileEdit(new or old, changes, row, action)]
    if old and new and old != new and not (new in known and old not in known):
        raise EditError(
            f"line {row} of the idea: the diff names two files, {old} and {new}: name the same "
            "file twice, or write `rename from` and `rename to` lines"
        )
    if not (new or old):  # each hunk finds its own file
        return [FileEdit(None, (hunk,), hunk.row) for hunk in changes]
    return [FileEdit(new or old, changes, row)]
