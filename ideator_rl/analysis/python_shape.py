"""What a Python file says besides its settings: its syntax tree with a hole for each of them.

    >>> one, other = shape_of("lr = 0.1  # small\\n"), shape_of("lr = 3e-2\\n")
    >>> one.form == other.form, one.holes == other.holes
    (True, False)

Comments, formatting, docstrings and type annotations are in no shape. A hole is

- a literal: an expression of constants alone, such as `-0.5`, `(0.9, 0.95)`, `2**10`, `"gelu"`;
- a name that is read, alone or behind dots, such as `config.n_embd`;
- the name of a keyword argument.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from executor.edits.syntax import parsed

_UNSEEN = {"annotation", "returns", "type_comment", "type_ignores"}
_WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Hole(NamedTuple):
    """What stands in a hole; a literal as its tree, so that `1e-3` and `0.001` are the same."""

    kind: Literal["literal", "name", "keyword"]
    text: str


@dataclass(frozen=True)
class Shape:
    """`form` is the tree without what is in its `holes`, as text; `options` are the names that the
    file gives a choice by: those which a module or a class sets to a literal, parameters with a
    literal default, functions and classes."""

    form: str
    holes: tuple[Hole, ...]
    options: frozenset[str]


@lru_cache(maxsize=128)
def shape_of(text: str) -> Shape:
    """The shape of a file. Raises SyntaxError, whatever keeps it from being read."""
    tree, holes = parsed(text), list[Hole]()
    try:
        return Shape("".join(_form(tree, holes)), tuple(holes), frozenset(_options(tree)))
    except RecursionError as error:
        raise SyntaxError(str(error)) from None


def _form(node: object, holes: list[Hole]) -> Iterator[str]:
    """The parts of a node's form; adds to `holes` in the order of the tree."""
    if isinstance(node, list):
        yield "["
        for part in node:
            yield from _form(part, holes)
        yield "]"
    elif not isinstance(node, ast.AST):
        yield f"{node!r},"
    elif isinstance(node, ast.expr) and _is_literal(node):
        holes.append(Hole("literal", ast.dump(node)))
        yield "?"
    elif isinstance(node, ast.expr) and (name := _dotted(node)):
        holes.append(Hole("name", name))
        yield "?"
    else:
        yield f"{type(node).__name__}("
        for field, value in ast.iter_fields(node):
            if field in _UNSEEN:
                continue
            if field == "arg" and isinstance(node, ast.keyword) and value is not None:
                holes.append(Hole("keyword", str(value)))
                value = "?"
            elif field == "body" and isinstance(node, _WITH_DOCSTRING):
                value = value[ast.get_docstring(node, clean=False) is not None :]
            yield from _form(value, holes)
        yield ")"


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=value):
            return _is_literal(value)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left) and _is_literal(right)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            # An empty list is something to be filled.
            return bool(parts) and all(map(_is_literal, parts))
        case ast.Dict(keys=keys, values=values):
            return bool(keys) and all(part and _is_literal(part) for part in (*keys, *values))
    return False


def _dotted(node: ast.expr) -> str:
    """`a.b.c` of a name that is read; empty for anything else."""
    parts = []
    while isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        parts.append(node.attr)
        node = node.value
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
        return ""
    return ".".join((node.id, *reversed(parts)))


def _options(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            yield from _set_to_literals(node.body)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.arguments):
            placed = [*node.posonlyargs, *node.args]
            late = placed[len(placed) - len(node.defaults) :]
            pairs = zip([*late, *node.kwonlyargs], [*node.defaults, *node.kw_defaults], strict=True)
            yield from (arg.arg for arg, value in pairs if value and _is_literal(value))


def _set_to_literals(body: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if _is_literal(value):
                yield name
