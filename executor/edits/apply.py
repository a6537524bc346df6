"""All edits of an idea applied to a codebase, or none of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from executor.edits.assignments import apply_assignment
from executor.edits.errors import EditError, ForbiddenEdit, TooMuchWork
from executor.edits.lines import Row, join_rows
from executor.edits.match import STRICT_LEVELS, find
from executor.edits.parse import parse_edits
from executor.edits.patch import MOST_PROBLEMS, ended, most_used_ending, patched, rows_of
from executor.edits.paths import check_path, did_you_mean, is_editable, is_frozen, listed
from executor.edits.records import Assignment, Edit, FileEdit
from executor.edits.wholes import is_part, text_of, what_is_missing
from executor.edits.work import at_most, spend
from executor.edits.wrappers import readings

LONGEST_TEXT = 1_000_000
# Steps that any idea may take, and more for each of its characters and of the codebase's.
MOST_WORK, WORK_PER_CHARACTER, WORK_PER_CHARACTER_THERE = 1_000_000, 3, 30


def apply_edits(
    files: Mapping[str, str], text: str, *, editable: Sequence[str], frozen: Sequence[str]
) -> dict[str, str]:
    """The codebase after every edit in the idea's text; `files` itself is never changed.

    `editable` and `frozen` are glob patterns of paths; frozen wins, and new files must be editable.
    Raises EditError, with every problem found (up to a few), if anything at all cannot be applied.
    """
    if wrong := too_long(text):
        raise EditError(wrong)
    first: EditError | None = None
    there = sum(map(len, files.values()))
    work = MOST_WORK + WORK_PER_CHARACTER * len(text) + WORK_PER_CHARACTER_THERE * there
    with at_most(work):
        for reading in readings(text):
            try:
                if wrong := too_long(reading):
                    raise EditError(wrong)
                if edits := parse_edits(reading, files):
                    return _all_applied(files, edits, editable, frozen)
            except ForbiddenEdit:
                raise
            except EditError as error:
                first = first or error
    raise first or EditError(
        "no code edit found in the idea: write a unified diff, a SEARCH/REPLACE block below "
        "its file's name, or a line such as `learning_rate: 0.001 -> 0.003`"
    )


def too_long(text: str) -> str:
    """Why an idea's text is not read, in one line; "" if it is."""
    if len(text) <= LONGEST_TEXT:
        return ""
    return f"the idea has {len(text):,} characters, more than {LONGEST_TEXT:,}: shorten it"


def _all_applied(
    files: Mapping[str, str], edits: list[Edit], editable: Sequence[str], frozen: Sequence[str]
) -> dict[str, str]:
    edits = _meant(edits, files)
    allowed = [_permitted(edit, files, editable, frozen) for edit in edits]
    # A summary may name in an assignment what a diff above or below it does.
    allowed.sort(key=lambda edit: isinstance(edit, Assignment))
    tree, problems = dict(files), []
    for edit in allowed:
        try:
            tree = _applied(tree, edit, editable, frozen)
        except ForbiddenEdit:
            raise
        except TooMuchWork as error:
            problems.append(str(error))
            break
        except EditError as error:
            if not _is_done(files, tree, edit, editable, frozen):
                problems.append(str(error))
    if problems:
        shown = problems[:MOST_PROBLEMS]
        more = len(problems) - len(shown)
        raise EditError("\n".join([*shown, *([f"and {more} more problems"] if more else [])]))
    if tree == dict(files):
        raise EditError("the edits leave the codebase unchanged")
    return tree


def _meant(edits: list[Edit], files: Mapping[str, str]) -> list[Edit]:
    """The edits without what is said twice, and without quotations of files."""
    once: dict[object, Edit] = {}
    parts: list[FileEdit] = []
    for edit in edits:
        if isinstance(edit, FileEdit) and edit.action == "whole" and (edit.path or "") in files:
            old, new = files[edit.path or ""], text_of(edit)
            spend((len(old) + len(new)) // 20)
            if new.split() == old.split():
                continue
            if is_part(old, new):
                parts.append(edit)
                continue
        once.setdefault(_said(edit), edit)
    if all(isinstance(edit, FileEdit) and edit.action == "whole" for edit in once.values()):
        return [*once.values(), *_rewrites(parts, list(once.values()), files)]
    return list(once.values())


def _rewrites(
    parts: list[FileEdit], others: list[Edit], files: Mapping[str, str]
) -> list[FileEdit]:
    """The shorter texts of files, in an idea that only writes out files. Raises EditError where
    nothing else is there and one of them is a piece of its file."""
    paths = Counter(edit.path for edit in (*parts, *others) if isinstance(edit, FileEdit))
    rewrites = []
    for part in parts:
        missing = what_is_missing(files[part.path or ""], text_of(part))
        if paths[part.path] > 1:
            missing = "another fence holds the same file"
        if not missing:
            rewrites.append(part)
        elif not others:
            raise EditError(
                f"{part.path} (line {part.row} of the idea): the fence holds only a part of the "
                f"file: {missing}; write SEARCH/REPLACE blocks or a diff, or the complete file"
            )
    return rewrites


def _said(edit: Edit) -> object:
    """What an edit says, wherever it stands."""
    if isinstance(edit, Assignment):
        return edit.name, repr(edit.old), repr(edit.new)
    hunks = tuple((hunk.start, hunk.lines) for hunk in edit.hunks)
    return edit.path, edit.action, edit.target, hunks


def _permitted(
    edit: Edit, files: Mapping[str, str], editable: Sequence[str], frozen: Sequence[str]
) -> Edit:
    """The edit with its paths in normal form; refuses paths that it may not touch."""
    if isinstance(edit, Assignment):
        return edit
    path, target = (
        name and check_path(name, files, editable, frozen) for name in (edit.path, edit.target)
    )
    return FileEdit(path, edit.hunks, edit.row, edit.action, target)


def _applied(
    tree: dict[str, str], edit: Edit, editable: Sequence[str], frozen: Sequence[str]
) -> dict[str, str]:
    if isinstance(edit, Assignment):
        return apply_assignment(tree, edit, editable, frozen)
    path = edit.path or _file_with(tree, edit, editable, frozen)
    where = f"{path} (line {edit.row} of the idea)"
    if any(hunk.cut_off for hunk in edit.hunks):
        raise EditError(f"{where}: its fence is never closed: the text seems to be cut off")
    if edit.action == "whole":
        _check_room(tree, path)
        ending = most_used_ending(rows_of(tree.get(path, ""))) or "\n"
        return tree | {path: text_of(edit).replace("\n", ending)}
    if edit.action == "create":
        return tree | {path: _new_text(tree, path, edit)}
    if path not in tree:
        hint = did_you_mean(path, tree) or f": the codebase has {listed(tree)}"
        raise EditError(
            f"{where}: there is no such file{hint}; to create one, write `--- /dev/null` above "
            "`+++ its/name`, or an empty SEARCH part"
        )
    if edit.action == "delete":
        if any(line.tag == "+" for hunk in edit.hunks for line in hunk.lines):
            raise EditError(f"{where}: a deleted file cannot get new lines")
        return {name: text for name, text in tree.items() if name != path}
    text = patched(tree[path], path, edit.hunks)
    if edit.action == "rename" and edit.target != path:
        target = edit.target or path
        if target in tree:
            raise EditError(f"{where}: cannot be renamed to {target}, which is there already")
        _check_room(tree, target)
        tree = {name: text for name, text in tree.items() if name != path}
        return tree | {target: text}
    return tree | {path: text}


def _is_done(
    files: Mapping[str, str],
    tree: dict[str, str],
    edit: Edit,
    editable: Sequence[str],
    frozen: Sequence[str],
) -> bool:
    """Whether an assignment tells in other words what earlier edits made of its place."""
    if not isinstance(edit, Assignment):
        return False
    try:
        apply_assignment(dict(files), edit, editable, frozen)
        apply_assignment(tree, replace(edit, old=edit.new), editable, frozen)
    except EditError:
        return False
    return True


def _check_room(tree: Mapping[str, str], path: str) -> None:
    """A path cannot be a file and a folder at once."""
    spend(len(tree))
    above = path.split("/")[:-1]
    folders = {"/".join(above[:n]) for n in range(1, len(above) + 1)}
    clash = [name for name in tree if name in folders or name.startswith(path + "/")]
    if clash:
        raise EditError(f"{path}: one of {listed(clash)} and it would be file and folder at once")


def _new_text(tree: Mapping[str, str], path: str, edit: FileEdit) -> str:
    if tree.get(path):
        raise EditError(
            f"{path} (line {edit.row} of the idea): a new file was announced, but the file is "
            "there already: quote the lines that change, or delete it first"
        )
    _check_room(tree, path)
    rows = []
    for hunk in edit.hunks:
        for line in hunk.lines:
            if line.tag != "+" and (line.tag == "-" or line.text.strip()):
                raise EditError(
                    f"{path}: {hunk.name} (line {hunk.row} of the idea): every line of a new file "
                    f"must start with +, this one does not: {line.text[:100]!r}"
                )
            rows.append(Row(line.text, "\n" if line.ending is None else line.ending))
    return join_rows(ended(rows, "\n", is_last=True))


def _file_with(
    tree: Mapping[str, str], edit: FileEdit, editable: Sequence[str], frozen: Sequence[str]
) -> str:
    """The file that an edit without a name is about: the only one, or the only one that matches."""
    [hunk] = edit.hunks
    spend(8 * len(tree))
    closed = {path for path in tree if is_frozen(path, frozen) or not is_editable(path, editable)}
    open_paths = sorted(set(tree) - closed)
    if len(open_paths) == 1:
        return open_paths[0]
    where = f"{hunk.name} (line {hunk.row} of the idea) names no file"
    if not hunk.old:
        raise EditError(f"{where} and quotes none: write the file's name on the line before it")
    found = {
        path: find(hunk, [row.text for row in rows_of(tree[path])], levels=STRICT_LEVELS)
        for path in sorted(tree)
    }
    best = min(found[path].level for path in open_paths) if open_paths else STRICT_LEVELS
    matching = [path for path in open_paths if found[path].level == best < STRICT_LEVELS]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise EditError(
            f"{where} and its old lines are in {listed(matching)}: write the file's name on the "
            "line before it"
        )
    if only := [path for path in sorted(closed) if found[path].matches]:
        raise ForbiddenEdit(f"{where}; its old lines are in {only[0]}, which may not be edited")
    raise EditError(
        f"{where} and its old lines are in no file: write the file's name on the line before it "
        "and quote the lines exactly"
    )
