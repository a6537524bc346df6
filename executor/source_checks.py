"""Whether a patched tree can start at all, told without running or importing any of it.

    source_problems(before={}, after={"train.py": "from torch.optim import Lion\\n"})
    # ["train.py line 1: `torch.optim` has no `Lion`"]

Every Python file must parse, and every import that is sure to run must resolve: to a file of the
tree that has the name, to what the baseline imports, too (it is installed where trials run, if not
here), or to what is installed here. No new line may stand for code that its writer left out. What
only running would tell is left to the trial.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

from executor.edits.omissions import is_omission
from executor.edits.syntax import parser_lock

# In a module with one of these, names may come from anywhere.
_MADE_AT_RUN_TIME = re.compile(
    r"import \*|\b(?:__getattr__|globals|vars|locals|setattr|exec|__dict__|sys\.modules)\b"
)
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Import(NamedTuple):
    """One `import module` or `from module import names`; `level` counts the leading dots."""

    line: int
    module: str
    level: int = 0
    names: tuple[str, ...] = ()
    sure: bool = True  # False below an `if`, or where its failure is caught


class Outline(NamedTuple):
    """What a source text imports, and the names it may define; None where that cannot be told."""

    imports: tuple[Import, ...] = ()
    names: frozenset[str] | None = frozenset()
    error: str = ""


def source_problems(
    before: Mapping[str, str], after: Mapping[str, str], preload: Iterable[str] = ()
) -> list[str]:
    """What keeps the tree `after` from starting, one line a problem; empty if nothing is found.

    `before` is the baseline, `preload` names modules that are there as well.
    """
    outlines = {path: outline(text) for path, text in after.items() if path.endswith(".py")}
    broken = [f"{path} {item.error}" for path, item in outlines.items() if item.error]
    if broken:
        return broken
    there = {*preload, *_foreign_imports(before)}
    problems = [one for path in sorted(outlines) for one in _omissions(path, before, after)]
    problems += [
        f"{path} hides the installed module `{name}` from every import: choose another file name"
        for path in sorted(outlines.keys() - before.keys())
        if (name := path.removesuffix(".py").split("/")[0])
        in sys.stdlib_module_names | {module.split(".")[0] for module in there}
    ]
    tree = LocalModules(after)
    for path, item in sorted(outlines.items()):
        for one in item.imports:
            if one.sure and (problem := _problem(one, path, tree, there)):
                problems.append(f"{path} line {one.line}: {problem}")
    return problems


def _omissions(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    if before.get(path) == after[path]:
        return
    known = {line.strip() for line in before.get(path, "").split("\n")}
    lines = after[path].split("\n")
    for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False), start=1):
        if is_omission(line, above) and line.strip() not in known:
            yield f"{path} line {number}: `{line.strip()}` stands for code that was left out"


def _foreign_imports(files: Mapping[str, str]) -> Iterator[str]:
    """The modules from outside a tree that it imports."""
    tree = LocalModules(files)
    for path, text in files.items():
        for one in outline(text).imports if path.endswith(".py") else ():
            if not one.level and not tree.has(one.module):
                yield one.module


def _problem(one: Import, path: str, tree: LocalModules, there: Collection[str]) -> str:
    """Why an import fails; "" if nothing speaks against it."""
    if one.level:
        folder = path.split("/")[:-1]
        if len(folder) < one.level:
            return "a relative import fails outside of a package: import the file by its plain name"
        base = ".".join(folder[: len(folder) - one.level + 1])
        return tree.problem(f"{base}.{one.module}" if one.module else base, one.names)
    if tree.has(one.module):
        return tree.problem(one.module, one.names)
    if any(name == one.module or name.startswith(f"{one.module}.") for name in there):
        return _missing_name(one)
    top = one.module.split(".")[0]
    if not _spec(top) or (one.module == top and not installed(top)):
        elsewhere = any(name.split(".")[0] == top for name in there)
        return "" if elsewhere else f"the module `{top}` is not installed, and nothing can be added"
    if not installed(one.module):
        return f"there is no module `{one.module}` in the installed `{top}`"
    return _missing_name(one)


def _missing_name(one: Import) -> str:
    missing = [name for name in one.names if name != "*" and not offers(one.module, name)]
    return f"`{one.module}` has no `{missing[0]}`" if missing else ""


class LocalModules:
    """The modules that a tree's own files make. Each folder may be one that Python starts from."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path: text for path, text in files.items() if path.endswith(".py")}
        parents = {tuple(path.split("/")[:-1]) for path in self._files}
        self._folders = {folder[:n] for folder in parents for n in range(len(folder) + 1)}

    def has(self, module: str) -> bool:
        """Whether the first part of a module's name is a file or folder of the tree."""
        return bool(self._found(module.split(".")[0]))

    def problem(self, module: str, names: Iterable[str]) -> str:
        """Why `from module import names` fails; "" if it does not."""
        found = self._found(module)
        if not found:
            return f"there is no file for the module `{module}`"
        for name in names:
            if name != "*" and not self._found(f"{module}.{name}"):
                known = [outline(self._files[path]).names for path in found if path in self._files]
                if all(defined is not None and name not in defined for defined in known):
                    return f"`{name}` is imported from {found[0]}, which does not define it"
        return ""

    def _found(self, module: str) -> list[str]:
        """The files, or else the folders, that a module's name may stand for."""
        parts = tuple(module.split("."))
        paths = ["/".join((*folder, *parts)) for folder in sorted(self._folders)]
        ends = (".py", "/__init__.py")
        files = [path + end for path in paths for end in ends if path + end in self._files]
        return files or [path for path in paths if tuple(path.split("/")) in self._folders]


# --- reading a source text ------------------------------------------------------------------------


@lru_cache(maxsize=512)
def outline(text: str) -> Outline:
    """The imports and names of a Python text, or why it does not parse."""
    try:
        with parser_lock:
            tree = ast.parse(text)
    except SyntaxError as error:
        row = (error.text or "").strip()[:100]
        where = f"line {error.lineno}" if error.lineno else "cannot be parsed"
        return Outline(error=f"{where}: {error.msg}" + (f": `{row}`" if row else ""))
    except (ValueError, MemoryError, RecursionError) as error:
        return Outline(error=f"cannot be parsed: {error}")
    dynamic = _MADE_AT_RUN_TIME.search(text)
    return Outline(tuple(_imports(tree)), None if dynamic else frozenset(_names(tree)))


def _imports(tree: ast.Module) -> Iterator[Import]:
    stack: list[tuple[ast.AST, bool]] = [(tree, True)]
    while stack:
        node, sure = stack.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, sure=sure)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, node.module or "", node.level, names, sure)
        else:
            sure = sure and not isinstance(node, ast.If) and not _catches_import_errors(node)
            children = ast.iter_child_nodes(node)
            kinds = (ast.stmt, ast.excepthandler, ast.match_case)
            stack += [(child, sure) for child in children if isinstance(child, kinds)]


def _catches_import_errors(node: ast.AST) -> bool:
    if not isinstance(node, ast.Try):
        return False
    caught = [handler.type for handler in node.handlers]
    names = {n.id for kind in caught if kind for n in ast.walk(kind) if isinstance(n, ast.Name)}
    return None in caught or bool(names & _IMPORT_ERRORS)


def _names(tree: ast.Module) -> Iterator[str]:
    """Every name that is bound somewhere in the file: a few too many, never one too few."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name).split(".")[0] for alias in aliases)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


# --- what is installed ----------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _spec(module: str) -> ModuleSpec | None:
    """Where an installed module is, found as Python finds it, but without importing its parents."""
    parent = module.rpartition(".")[0]
    path = None
    if parent:
        above = _spec(parent)
        path = above.submodule_search_locations if above else None
        if path is None:
            return above  # what is below a module that is no package is made when it runs
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(module, path)
        except KeyError:  # a folder without code, whose parent Python would have imported
            spec = ModuleSpec(module, None, is_package=True)
            folders = (Path(folder) / module.rpartition(".")[2] for folder in path or ())
            spec.submodule_search_locations = [str(f) for f in folders if f.is_dir()]
        if spec:
            return spec
    return None


def installed(module: str) -> bool:
    """Whether a module can be found here. A folder without code is none."""
    spec = _spec(module)
    return spec is not None and spec.loader is not None


@lru_cache(maxsize=4096)
def offers(module: str, name: str) -> bool:
    """False only where an installed module's source shows that it lacks a name."""
    spec = _spec(module)
    if spec is None or not spec.has_location or not (spec.origin or "").endswith(".py"):
        return True
    source = Path(spec.origin or "").read_text(errors="replace")
    if _MADE_AT_RUN_TIME.search(source) or re.search(rf"\b{re.escape(name)}\b", source):
        return True
    return spec.submodule_search_locations is not None and _spec(f"{module}.{name}") is not None
