"""What a `prepare.py` defines, read off its text: to run it may take seconds of imports.

    outline = outline_of(folder / "prepare.py")
    outline.takes, outline.has            # {"train", "held_out", "secret"}, {"prepare", "hidden"}

Where the text alone does not tell, the script is run.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from executor.data.script import Script, load_script

FUNCTIONS = frozenset(("prepare", "hidden", "check"))


class Outline(NamedTuple):
    """`files` are the script and the modules beside it that it imports when it is loaded, in order;
    `has` are those of FUNCTIONS that it has, and `takes` the parameters of `prepare`."""

    files: list[Path]
    has: frozenset[str]
    takes: frozenset[str]


def outline_of(path: Path) -> Outline:
    """Raises what running the script raises, if it has to run."""
    path = path.resolve()
    tree = ast.parse(path.read_bytes(), path)
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "prepare" not in found or found["prepare"].decorator_list or _is_bound_otherwise(tree):
        return _of_loaded(load_script(path))
    own = found["prepare"].args
    takes = (argument.arg for argument in (*own.posonlyargs, *own.args, *own.kwonlyargs))
    return Outline(sorted(_files(path, tree)), FUNCTIONS & found.keys(), frozenset(takes))


def _of_loaded(script: Script) -> Outline:
    has = frozenset(name for name in FUNCTIONS if hasattr(script.module, name))
    takes = inspect.signature(script.module.prepare).parameters if "prepare" in has else ()
    return Outline(script.files, has, frozenset(takes))


def _is_bound_otherwise(tree: ast.Module) -> bool:
    """Whether one of the functions may come from elsewhere than a `def` of the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and (node.asname or node.name) in (*FUNCTIONS, "*"):
            return True
        if isinstance(node, ast.Name) and node.id in FUNCTIONS and isinstance(node.ctx, ast.Store):
            return True
    return False


def _files(path: Path, tree: ast.Module) -> set[Path]:
    found, left = {path}, [tree]
    while left:
        for name in _imported(left.pop().body):
            place = path.parent.joinpath(*name.split("."))
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file() and file not in found:
                    found.add(file)
                    left.append(ast.parse(file.read_bytes(), file))
    return found


def _imported(body: Iterable[ast.AST]) -> Iterator[str]:
    """The modules that statements import when they run, those in functions left out."""
    for node in body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imported(ast.iter_child_nodes(node))
            continue
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: n + 1]) for n in range(len(parts)))
