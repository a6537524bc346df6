"""The canonical form of a change: a diff in git's format, the same for the same two trees."""

from collections.abc import Mapping

from executor.edits.lines import changed_ranges
from executor.edits.work import at_most

CONTEXT = 3
MOST_WORK = 1_000_000  # behind it, what changed in a file is told as one change
NO_NEWLINE = "\\ No newline at end of file\n"
ESCAPES = {
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def canonical_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What `git diff` would say about the two trees, file by file in the order of their paths."""
    paths = sorted(before.keys() | after.keys())
    with at_most(MOST_WORK):
        return "".join(
            _file_diff(path, before.get(path), after.get(path))
            for path in paths
            if before.get(path) != after.get(path)
        )


def _file_diff(path: str, old: str | None, new: str | None) -> str:
    head = f"diff --git {_quoted('a/' + path)} {_quoted('b/' + path)}\n"
    if old is None:
        head += "new file mode 100644\n"
    if new is None:
        head += "deleted file mode 100644\n"
    hunks = _hunks(_lines(old or ""), _lines(new or ""))
    if not hunks:
        return head  # an empty file
    return f"{head}--- {_name('a/', path, old)}\n+++ {_name('b/', path, new)}\n{hunks}"


def _quoted(path: str) -> str:
    """The path as git writes it: in quotes, bytes as octal numbers, where it is not plain."""
    pieces = []
    for char in path:
        if char in ESCAPES:
            pieces.append(ESCAPES[char])
        elif " " <= char <= "~":
            pieces.append(char)
        else:
            pieces += [f"\\{byte:03o}" for byte in char.encode()]
    quoted = "".join(pieces)
    return f'"{quoted}"' if quoted != path else path


def _name(prefix: str, path: str, text: str | None) -> str:
    """A name for the "---" and "+++" rows; git ends one with spaces by a tab."""
    if text is None:
        return "/dev/null"
    name = _quoted(prefix + path)
    return name + "\t" if " " in name else name


def _lines(text: str) -> list[str]:
    """The lines with their line feeds."""
    *whole, last = text.split("\n")
    lines = [line + "\n" for line in whole]
    return [*lines, last] if last else lines


def _hunks(old: list[str], new: list[str]) -> str:
    groups: list[list[tuple[int, int, int, int]]] = []
    for change in changed_ranges(old, new):
        if groups and change[0] - groups[-1][-1][1] <= 2 * CONTEXT:
            groups[-1].append(change)
        else:
            groups.append([change])
    return "".join(_hunk(old, new, group) for group in groups)


def _hunk(old: list[str], new: list[str], changes: list[tuple[int, int, int, int]]) -> str:
    lead = min(CONTEXT, changes[0][0])
    trail = min(CONTEXT, len(old) - changes[-1][1])
    i1, j1 = changes[0][0] - lead, changes[0][2] - lead
    i2, j2 = changes[-1][1] + trail, changes[-1][3] + trail
    body, done = [], i1
    for a1, a2, b1, b2 in changes:
        body += [" " + line for line in old[done:a1]]
        body += ["-" + line for line in old[a1:a2]]
        body += ["+" + line for line in new[b1:b2]]
        done = a2
    body += [" " + line for line in old[done:i2]]
    text = "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in body)
    return f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n{text}"


def _range(begin: int, end: int) -> str:
    """Lines begin+1 to end; an empty range names the line before it."""
    count = end - begin
    if count == 1:
        return f"{begin + 1}"
    return f"{begin + 1 if count else begin},{count}"
