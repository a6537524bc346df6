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
# What can bind a name, or import a module, that the text does not show.
_BINDERS = frozenset(("globals", "vars", "setattr", "exec", "__import__", "import_module"))


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
    if "prepare" not in found or found["prepare"].decorator_list or not _tells(tree):
        return _of_loaded(load_script(path))
    own = found["prepare"].args
    takes = (argument.arg for argument in (*own.posonlyargs, *own.args, *own.kwonlyargs))
    return Outline(sorted(_files(path, tree)), FUNCTIONS & found.keys(), frozenset(takes))


def _of_loaded(script: Script) -> Outline:
    has = frozenset(name for name in FUNCTIONS if hasattr(script.module, name))
    takes = inspect.signature(script.module.prepare).parameters if "prepare" in has else ()
    return Outline(script.files, has, frozenset(takes))


def _tells(tree: ast.Module) -> bool:
    """Whether each of the functions can only come from a `def` at the module's top level."""
    for node in ast.walk(tree):
        match node:
            case ast.alias():
                bound = node.asname or node.name
            case ast.Name(ctx=ast.Load()):
                bound = "*" if node.id in _BINDERS else ""
            case ast.Name():
                bound = node.id
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound = "" if node in tree.body and isinstance(node, ast.FunctionDef) else node.name
                if node.name == "__getattr__":
                    return False
            case _:
                continue
        if bound == "*" or bound in FUNCTIONS:
            return False
    return True


def _files(path: Path, tree: ast.Module) -> set[Path]:
    found, left = {path}, [(path, tree)]
    while left:
        importer, text = left.pop()
        for name in _imported(text.body, importer.parent.relative_to(path.parent).parts):
            place = path.parent.joinpath(*name.split("."))
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.is_file() and file not in found:
                    found.add(file)
                    left.append((file, ast.parse(file.read_bytes(), file)))
    return found


def _imported(body: Iterable[ast.AST], package: tuple[str, ...]) -> Iterator[str]:
    """The modules that statements of a package import when they run, without those in functions."""
    for node in body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            names = [".".join((*above, *filter(None, [node.module]), a.name)) for a in node.names]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imported(ast.iter_child_nodes(node), package)
            continue
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[: n + 1]) for n in range(len(parts)))
