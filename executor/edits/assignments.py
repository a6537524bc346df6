"""Assignments: the edit `name: old -> new`, and the places in Python files that it is about.

A place is a single name that is assigned a literal (`name = 3`, `name: int = 3`) or, where no
such place exists, a parameter with a literal default. It must be the only one of its name.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from executor.edits.errors import EditError, ForbiddenEdit
from executor.edits.paths import SHOWN, is_editable, is_frozen, listed
from executor.edits.records import Assignment
from executor.edits.syntax import literal, parsed
from executor.edits.work import spend

LONGEST_ROW = 1000
LONGEST_VALUE = 200  # characters of a value in a message
MOST_CUTS = 20

EDIT = re.compile(
    r"\s*(?:(?:[-*+•]|\d{1,3}[.)])\s+)?"  # a list's mark
    r"(?:(?:[Cc]onfig|cfg|args)\.)?([A-Za-z_]\w*)"
    r"\s*(?::\s*[A-Za-z_][\w.\[\], |]*=(?!=)|[:：]|=(?!=))\s*(\S.*)$"
)
# White space is looked at from its beginning only, and never given back.
ARROW = re.compile(r"(?:(?<!\s)\s++)?(?:[-–—]{1,2}>|→|⟶|=>|⇒)\s*+")
REMARK = re.compile(
    r"(?<!\s)\s++(?:#|\(|//|--?(?=\s)|[–—])|[,;.](?=\s|$)|(?:(?<!\s)\s++)?[（，。；、]"
)
COMMENT = re.compile(r"(?<!\s)\s++#[^'\"]*+$")
LINE_ENDS = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")  # as Python counts lines
BEGINS_LITERAL = re.compile(r"[-+.\d'\"(\[{]|True|False|None|set\b|[rRbBuU]{1,2}['\"]")


class Place(NamedTuple):
    """Where a literal stands in a text, in bytes of UTF-8."""

    name: str
    value: Any
    start: int
    end: int
    line: int


# --- reading the edit -----------------------------------------------------------------------------


def _literal(text: str) -> tuple[Any] | None:
    """The value of a Python literal, boxed; None if the text is not one."""
    text = text.strip()
    if not BEGINS_LITERAL.match(text):
        return None
    try:
        return (literal(text),)
    except SyntaxError:
        return None


def _shown(value: Any) -> str:
    """A value for a message."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "(a very long number)"
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _literal_before_remark(text: str, old: Any) -> tuple[Any, str] | None:
    """The literal at the start of the text, and how it is written; a remark may follow."""
    if text.endswith(".") and not isinstance(old, float):
        text = text[:-1]  # the full stop of a sentence
    cuts = [m.start() for m in REMARK.finditer(text)][:MOST_CUTS]
    for written in [text, *(text[:cut] for cut in reversed(cuts))]:
        if (value := _literal(written)) is None:
            continue
        if isinstance(value[0], tuple) and not isinstance(old, tuple) and written[0] != "(":
            continue  # "0.2, 3": a value and a remark rather than a tuple
        comment = COMMENT.search(written)
        return value[0], (written[: comment.start()] if comment else written).strip()
    return None


def read_assignment(line: str, row: int) -> Assignment | None:
    """The assignment edit that the line is, else None; Markdown's marks are taken off."""
    if len(line) > LONGEST_ROW:
        return None
    plain = line.replace("`", "").replace("**", "")
    for text in dict.fromkeys((line, plain)):
        match = EDIT.match(text)
        for arrow in list(ARROW.finditer(match[2]))[:MOST_CUTS] if match else ():
            assert match is not None
            old = _literal(match[2][: arrow.start()])
            new = old and _literal_before_remark(match[2][arrow.end() :].rstrip(), old[0])
            if old and new:
                return Assignment(match[1], old[0], new[0], new[1], row)
            if old and text == plain:
                raise EditError(
                    f"line {row} of the idea: the new value of {match[1]}, "
                    f"`{match[2][arrow.end() :].strip()[:100]}`, is not a Python literal: write a "
                    "number, a quoted string, True, False, None or a tuple, or use SEARCH/REPLACE"
                )
    return None


# --- finding the place ----------------------------------------------------------------------------


class Binding(NamedTuple):
    """Where the value stands that a name is given; lines from 1, columns from 0, in bytes."""

    line: int
    column: int
    end_line: int
    end_column: int


Bindings = Mapping[tuple[str, bool], Sequence[Binding]]


@lru_cache(maxsize=16)
def _bindings(text: str) -> Bindings | None:
    """The bindings in a Python text by name and by whether they are parameters' defaults; None if
    it cannot be parsed."""
    try:
        tree = parsed(text)
    except SyntaxError:
        return None
    found: defaultdict[tuple[str, bool], list[Binding]] = defaultdict(list)

    def note(name: str, value: ast.expr, is_default: bool) -> None:
        end_line, end_column = value.end_lineno or value.lineno, value.end_col_offset or 0
        binding = Binding(value.lineno, value.col_offset, end_line, end_column)
        found[name, is_default].append(binding)

    nodes = list(ast.walk(tree))
    spend(4 * len(nodes))
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                note(name, value, False)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                note(name, value, False)
            case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
                positional = [*args.posonlyargs, *args.args]
                late = positional[len(positional) - len(args.defaults) :]
                pairs = [*zip(late, args.defaults, strict=True)]
                pairs += [
                    (arg, default)
                    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
                    if default is not None
                ]
                for arg, default in pairs:
                    note(arg.arg, default, True)
    return dict(found)


def _places(text: str, name: str, defaults: bool) -> tuple[list[Place], list[int]]:
    """Where `name` gets a literal in the text, and the lines where it gets something else."""
    bound = (_bindings(text) or {}).get((name, defaults))
    if not bound:
        return [], []
    data = text.encode()
    lines = LINE_ENDS.split(data)
    begins = [0, *accumulate(map(len, lines))]
    places, others = [], []
    for line, column, end_line, end_column in bound:
        start, end = begins[line - 1] + column, begins[end_line - 1] + end_column
        if (value := _literal(data[start:end].decode())) is None:
            others.append(line)
        else:
            places.append(Place(name, value[0], start, end, line))
    return places, others


def find_place(
    files: Mapping[str, str], name: str, paths: Sequence[str]
) -> tuple[str, Place] | None:
    """The file and the only place in it where `name` gets a literal; None if it gets no value."""
    computed: list[str] = []
    for defaults in (False, True):
        found: list[tuple[str, Place]] = []
        for path in _python(files, name, paths):
            places, others = _places(files[path], name, defaults)
            found += [(path, place) for place in places]
            computed += [f"{path} line {line}" for line in others]
        if len(found) == 1:
            return found[0]
        if found:
            where = ", ".join(f"{path} line {place.line}" for path, place in found[:SHOWN])
            raise EditError(
                f"`{name}` is assigned in {len(found)} places: {where}; "
                "use a SEARCH/REPLACE block to say which"
            )
    if computed:
        raise EditError(
            f"`{name}` is assigned an expression, not a literal ({', '.join(computed[:SHOWN])}): "
            "use a SEARCH/REPLACE block"
        )
    return None


def _python(files: Mapping[str, str], name: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path.endswith(".py") and name in files[path]]


def _missing(files: Mapping[str, str], name: str, paths: Sequence[str]) -> str:
    broken = [path for path in _python(files, name, paths) if _bindings(files[path]) is None]
    hint = f" ({listed(broken)} cannot be parsed as Python)" if broken else ""
    return (
        f"`{name}` is not assigned in the editable Python files{hint}: check the name, "
        "or use a SEARCH/REPLACE block"
    )


# --- writing the value ----------------------------------------------------------------------------


def _written(files: dict[str, str], path: str, place: Place, text: str) -> dict[str, str]:
    before = files[path].encode()
    after = before[: place.start] + text.encode() + before[place.end :]
    return files | {path: after.decode()}


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def apply_assignment(
    files: dict[str, str], edit: Assignment, editable: Sequence[str], frozen: Sequence[str]
) -> dict[str, str]:
    """The files with the new value; only the value's own text changes."""
    where = f"line {edit.row} of the idea"
    allowed = [p for p in sorted(files) if is_editable(p, editable) and not is_frozen(p, frozen)]
    try:
        found = find_place(files, edit.name, allowed)
    except EditError as error:
        raise EditError(f"{where}: {error}") from None
    if found is None:
        for path in _python(files, edit.name, sorted(set(files) - set(allowed))):
            if _places(files[path], edit.name, defaults=False)[0]:
                raise ForbiddenEdit(
                    f"{where}: `{edit.name}` is assigned in {path}, which may not be edited"
                )
        raise EditError(f"{where}: {_missing(files, edit.name, allowed)}")
    path, place = found
    if not _same(place.value, edit.old):
        raise EditError(
            f"{where}: `{edit.name}` is {_shown(place.value)} in {path} line {place.line}, "
            f"not {_shown(edit.old)}: write `{edit.name}: {_shown(place.value)} -> {edit.text}`"
        )
    return _written(files, path, place, edit.text)


def set_assignments(
    files: Mapping[str, str], values: Mapping[str, object], editable: Sequence[str]
) -> dict[str, str]:
    """The files with each `name = literal` of `values` rewritten, which is how one is resized.

    Each name must be assigned a literal exactly once in the editable files.
    """
    after = dict(files)
    paths = [path for path in sorted(files) if is_editable(path, editable)]
    for name, value in values.items():
        found = find_place(after, name, paths)
        if found is None:
            raise EditError(_missing(after, name, paths))
        path, place = found
        if isinstance(place.value, tuple) and isinstance(value, list):
            value = tuple(value)  # a configuration file knows only lists
        text = repr(value)
        if _literal(text) != (value,):
            raise EditError(f"the value of `{name}`, {text[:100]}, has no Python literal")
        after = _written(after, path, place, text)
    return after
