"""From an idea's text to its edits, in the order in which they stand there."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from executor.edits.assignments import read_assignment
from executor.edits.blocks import CLOSING, OPENING, read_block
from executor.edits.errors import EditError
from executor.edits.lines import bare
from executor.edits.naming import FENCE, path_in_fence, path_in_heading
from executor.edits.records import Assignment, Edit, FileEdit
from executor.edits.unified import FENCE_MARK, read_diff, starts_diff
from executor.edits.wholes import read_whole
from executor.edits.work import spend

MOST_ASSIGNMENTS = 100
MOST_HUNKS = 2000  # an edit without a hunk counts as one

HEADING = re.compile(
    r"[#*>\s]{0,8}\[\s*code changes\s*\][*:\s]*|#{1,6} +code changes\b[*:\s]*", re.I
)
END = re.compile(r"[#*>\s]{0,8}\[\s*end\s*\][*\s]*$", re.IGNORECASE)
SURROGATE = re.compile(r"[\ud800-\udfff]")
DIFF_LANGUAGES = {"diff", "patch", "udiff"}


class Fence(NamedTuple):
    """An open Markdown fence."""

    mark: str
    is_diff: bool
    is_headless_diff: bool


def parse_edits(text: str, known: Collection[str]) -> list[Edit]:
    """Every edit in the idea; those behind "[Code Changes]" if any are there.

    `known` holds the paths of the codebase: they tell a file's name from other words.
    """
    if SURROGATE.search(text):
        raise EditError("the idea holds lone surrogates, which no file can: leave them out")
    rows = text.split("\n")
    headings = [i for i, row in enumerate(rows) if HEADING.match(row)]
    if headings:
        edits = _read_rows(_changes_only(rows, headings[-1]), known)
        if edits:
            return edits
    return _read_rows(rows, known)


def _changes_only(rows: list[str], heading: int) -> list[str]:
    """The rows from the heading to "[End]"; blanks stand before, so that line numbers hold."""
    first = HEADING.sub("", rows[heading], count=1)
    rows = [""] * heading + [first] + rows[heading + 1 :]
    ends = [i for i in range(heading, len(rows)) if END.match(bare(rows[i]))]
    return rows[: ends[0]] if ends else rows


def _read_rows(rows: list[str], known: Collection[str]) -> list[Edit]:
    """Every edit in the rows; those inside of an indented fence lose its indentation."""
    edits: list[Edit] = []
    said: list[Assignment] = []
    fence: Fence | None = None
    blocks = hunks = assignments = i = 0
    while i < len(rows):
        row = bare(rows[i])
        if not row:
            i += 1
        elif fence and row.rstrip() == fence.mark:
            fence, i = None, i + 1
        elif opening := FENCE.match(row):
            fence = _open_fence(rows, i, opening)
            if not fence.is_diff and (whole := read_whole(rows, i, fence.mark, known)):
                edits.append(whole)
                # What stands in a file is no edit; its closing fence is read next.
                i += len(whole.hunks[0].lines)
                hunks += 1
            i += 1
        elif OPENING.match(row):
            blocks += 1
            block = read_block(rows, i, blocks)
            path = path_in_fence(block.named, known) or _name_above(rows, i, known, edits)
            if not block.hunk.old and path is None:
                raise EditError(
                    f"block {blocks} (line {i + 1} of the idea) has an empty SEARCH part and names "
                    "no file: write the new file's name on the line before it"
                )
            empty = not block.hunk.old
            edits.append(FileEdit(path, (block.hunk,), i + 1, "create" if empty else "edit"))
            hunks, i = hunks + 1, block.end
        elif starts_diff(rows, i) or (
            fence and fence.is_headless_diff and row.startswith(("+", "-", " "))
        ):
            named = _name_above(rows, i, known, [])
            found, i = read_diff(rows, i, known, fence is not None, named)
            edits += found
            hunks += sum(max(1, len(edit.hunks)) for edit in found)
        else:
            if assignment := read_assignment(row, i + 1):
                assignments += 1
                if not _is_said(assignment, said):
                    said.append(assignment)
                    edits.append(assignment)
            i += 1
        if hunks > MOST_HUNKS or assignments > MOST_ASSIGNMENTS:
            raise EditError(
                f"the idea holds more than {MOST_HUNKS} hunks or {MOST_ASSIGNMENTS} assignments: "
                "make fewer changes"
            )
    return edits


def _is_said(assignment: Assignment, said: list[Assignment]) -> bool:
    """Whether the same assignment stands further up: said twice, it is done once."""
    return any(replace(other, row=assignment.row) == assignment for other in said)


def _open_fence(rows: list[str], i: int, opening: re.Match[str]) -> Fence:
    """The fence that opens at rows[i]; takes its indentation off the rows inside."""
    indentation, mark, info = opening.groups()
    language = info.strip().split(" ")[0].split(":")[0].lower()
    for inside in range(i + 1, len(rows) if indentation else 0):
        spend(1)
        rows[inside] = rows[inside].removeprefix(indentation)
        if bare(rows[inside]).rstrip() == mark:
            break
    is_diff = language in DIFF_LANGUAGES
    return Fence(mark, is_diff, is_diff and _is_headless(rows, i + 1))


def _is_headless(rows: list[str], top: int) -> bool:
    """Whether a fence holds lines with + and - but neither file names nor hunk headers."""
    end = top
    while end < len(rows) and not FENCE_MARK.match(rows[end]):
        spend(2)
        if starts_diff(rows, end) or OPENING.match(bare(rows[end])):
            return False
        end += 1
    body = [bare(row) for row in rows[top:end]]
    changes = any(row.startswith(("+", "-")) for row in body)
    return changes and not any(read_assignment(row, top + 1) for row in body)


def _name_above(rows: list[str], i: int, known: Collection[str], edits: list[Edit]) -> str | None:
    """The file named above rows[i]; a block right behind another one is about the same file."""
    fences = 0
    for above in range(i - 1, -1, -1):
        row = bare(rows[above])
        if not row.strip():
            continue
        if CLOSING.match(row):
            last = edits[-1] if edits else None
            return last.path if isinstance(last, FileEdit) else None
        if fences == 2:  # behind the closing fence of something else
            return None
        fence = FENCE.match(row)
        name = path_in_fence(fence[3], known) if fence else path_in_heading(row, known)
        if name or not fence:
            return name
        fences += 1
    return None
