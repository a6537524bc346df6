"""Whether a patched tree can start at all, told without running or importing any of it.

    >>> source_problems(before={}, after={"train.py": "from torch.optim import Lion\\n"})
    ['train.py line 1: `torch.optim` has no `Lion`']

Every Python file must parse, and every import that is sure to run must resolve: to a file of the
tree that has the name, to what the baseline imports, too (it is installed where trials run, if not
here), or to what is installed here. No new line may stand for code that its writer left out. What
only running would tell is left to the trial.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from executor.edits.omissions import is_omission
from executor.edits.syntax import parsed

# In a module with one of these, names may come from anywhere.
_MADE_AT_RUN_TIME = re.compile(
    r"import \*|\b(?:__getattr__|globals|vars|locals|setattr|exec|__dict__|sys\.modules)\b"
)
MOST_PROBLEMS = 20
MOST_PARTS = 32  # of a module's name
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

    `before` is the baseline, `preload` names modules that are there as well. The first few problems
    are told.
    """
    return list(islice(_source_problems(before, after, preload), MOST_PROBLEMS))


def _source_problems(
    before: Mapping[str, str], after: Mapping[str, str], preload: Iterable[str]
) -> Iterator[str]:
    outlines = _outlines(after)
    broken = [f"{path} {item.error}" for path, item in outlines.items() if item.error]
    if broken:
        yield from broken
        return
    there = {*preload, *_foreign_imports(before)}
    for path in sorted(outlines):
        yield from _omissions(path, before, after)
    taken = sys.stdlib_module_names | {module.split(".")[0] for module in there}
    for path in sorted(outlines.keys() - before.keys()):
        if (name := path.removesuffix(".py").split("/")[0]) in taken:
            yield (
                f"{path} hides the installed module `{name}` from every import: choose another "
                "file name"
            )
    tree = LocalModules(outlines)
    for path, item in sorted(outlines.items()):
        for one in item.imports:
            if one.sure and (problem := _problem(one, path, tree, there)):
                yield f"{path} line {one.line}: {problem}"


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
    outlines = _outlines(files)
    tree = LocalModules(outlines)
    for item in outlines.values():
        for one in item.imports:
            if not one.level and not tree.has(one.module):
                yield one.module


def _problem(one: Import, path: str, tree: LocalModules, there: Collection[str]) -> str:
    """Why an import fails; "" if nothing speaks against it."""
    if one.module.count(".") >= MOST_PARTS:
        return f"there is no module of so many parts: `{one.module[:100]}...`"
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
    missing = (name for name in one.names if name != "*" and not offers(one.module, name))
    return next((f"`{one.module}` has no `{name}`" for name in missing), "")


class LocalModules:
    """The modules that a tree's own files make. Each folder may be one that Python starts from."""

    def __init__(self, outlines: Mapping[str, Outline]) -> None:
        self._outlines = outlines
        parents = {tuple(path.split("/")[:-1]) for path in self._outlines}
        folders = {folder[:n] for folder in parents for n in range(len(folder) + 1)}
        # From each name that a module has in one of them to the files, or folders, of that name.
        self._of_files: defaultdict[str, list[str]] = defaultdict(list)
        self._of_folders: defaultdict[str, list[str]] = defaultdict(list)
        for path in sorted(self._outlines):
            parts = path.removesuffix(".py").split("/")
            package = _endings(parts[:-1]) if parts[-1] == "__init__" else ()
            for name in (*_endings(parts), *package):
                self._of_files[name].append(path)
        for folder in sorted(folders):
            for name in _endings(folder):
                self._of_folders[name].append("/".join(folder))

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
                known = [self._outlines[path].names for path in found if path in self._outlines]
                if all(defined is not None and name not in defined for defined in known):
                    return f"`{name}` is imported from {found[0]}, which does not define it"
        return ""

    def _found(self, module: str) -> list[str]:
        """The files, or else the folders, that a module's name may stand for."""
        return self._of_files.get(module) or self._of_folders.get(module) or []


def _endings(parts: Sequence[str]) -> list[str]:
    """The names that a module has, by the folder that Python starts from."""
    return [".".join(parts[n:]) for n in range(len(parts))]


# --- reading a source text ------------------------------------------------------------------------


def _outlines(files: Mapping[str, str]) -> dict[str, Outline]:
    return {path: outline(text) for path, text in files.items() if path.endswith(".py")}


@lru_cache(maxsize=128)
def outline(text: str) -> Outline:
    """The imports and names of a Python text, or why it does not parse."""
    try:
        tree = parsed(text)
    except SyntaxError as error:
        row = (error.text or "").strip()[:100]
        where = f"line {error.lineno}" if error.lineno else "cannot be parsed"
        return Outline(error=f"{where}: {error.msg}" + (f": `{row}`" if row else ""))
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


@lru_cache(maxsize=64)
def _words(path: str) -> frozenset[str] | None:
    """Every word in the source of an installed module; None where more may be made at run time."""
    source = Path(path).read_text(errors="replace")
    return None if _MADE_AT_RUN_TIME.search(source) else frozenset(re.findall(r"\w+", source))


@lru_cache(maxsize=4096)
def offers(module: str, name: str) -> bool:
    """False only where an installed module's source shows that it lacks a name."""
    spec = _spec(module)
    if spec is None or not spec.has_location or not (spec.origin or "").endswith(".py"):
        return True
    words = _words(spec.origin or "")
    if words is None or name in words:
        return True
    return spec.submodule_search_locations is not None and _spec(f"{module}.{name}") is not None
