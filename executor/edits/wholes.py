"""Files that are written out as a whole: a file's name, and its new text in a fence below.

An example or a quotation has the same form. It counts as the text of a file that is there only if
it begins like that file and has as much in it as a whole one. In an idea that does nothing but
write out files, a shorter text counts, too, if it needs nothing of the old one: a rewrite may drop
what it likes.
"""

import ast
from collections.abc import Collection

from executor.edits.assignments import read_assignment
from executor.edits.blocks import OPENING
from executor.edits.lines import bare
from executor.edits.naming import path_of_whole
from executor.edits.omissions import is_omission
from executor.edits.records import FileEdit, Hunk, Line
from executor.edits.syntax import parsed
from executor.edits.unified import starts_diff
from executor.edits.work import spend

KEPT = 0.5  # of the file's lines, from which a text that ends like the file is one
AS_LONG = 0.8  # of the file's lines, from which a text is one whatever it has kept
EDGE = 0.25  # of the file's lines, in which a whole text has at least one in common with it


def read_whole(rows: list[str], i: int, mark: str, known: Collection[str]) -> FileEdit | None:
    """The file whose text is in the fence that rows[i] opens; None if it holds something else."""
    if not (path := path_of_whole(rows, i, known)):
        return None
    end = i + 1
    while end < len(rows) and bare(rows[end]).rstrip() != mark:
        spend(2)  # a fence in a fence is looked at again
        row = bare(rows[end])
        if starts_diff(rows, end) or OPENING.match(row) or row.startswith(mark):
            return None
        end += 1
    texts = [bare(row) for row in rows[i + 1 : end]]
    if not any(text.strip() for text in texts):
        return None
    if not _is_python("\n".join(texts)) and any(read_assignment(text, i) for text in texts):
        return None
    lines = tuple(Line("+", text) for text in texts)
    hunk = Hunk("the fence", i + 1, lines, cut_off=end == len(rows))
    return FileEdit(path, (hunk,), i + 1, "whole")


def _is_python(text: str) -> bool:
    try:
        parsed(text)
    except SyntaxError:
        return False
    return True


def is_part(old: str, new: str) -> bool:
    """Whether a text is shorter than a whole file, or begins unlike the one that it names."""
    spend((len(old) + len(new)) // 20)
    before, after = _lines(old), _lines(new)
    edge = max(3, round(EDGE * len(before)))
    there = set(after)
    kept = [n for n, line in enumerate(before) if line in there]
    if not any(n < edge for n in kept):
        return True
    ends_alike = any(n >= len(before) - edge for n in kept) and len(kept) >= KEPT * len(before)
    return not ends_alike and len(after) < AS_LONG * len(before)


def what_is_missing(old: str, new: str) -> str:
    """Why a text cannot take a file's place although nothing else in the idea changes that file:
    what it says that it leaves out, or a name that only the old text defines; "" if it can."""
    spend((len(old) + len(new)) // 20)
    lines = new.split("\n")
    for above, line in zip(["", *lines], lines, strict=False):
        if is_omission(line, above):
            return f"`{line.strip()}` leaves lines out"
    try:
        before, after = parsed(old), parsed(new)
    except SyntaxError:
        return "it is no complete Python file"
    if not any(isinstance(node, ast.Import | ast.ImportFrom) for node in after.body):
        return "it imports nothing"
    defined, used = _names(after)
    if names := sorted((used - defined) & _names(before)[0]):
        return f"it uses `{names[0]}`, which it does not define"
    return ""


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that a file defines or imports anywhere, and those that it uses."""
    defined, used = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                defined.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defined.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                defined.add(name)
            case ast.alias(name=name, asname=None):
                defined.add(name.partition(".")[0])
            case ast.alias(asname=str(name)):
                defined.add(name)
    return defined, used


def text_of(edit: FileEdit) -> str:
    """The whole text that the edit gives its file, each line ended by a line feed."""
    return "".join(f"{line.text}\n" for hunk in edit.hunks for line in hunk.lines)


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.split("\n")) if line]
