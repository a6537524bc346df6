"""A problem's own scripts, `evaluate.py` and `prepare.py`, and the modules beside them.

    script = load_script(folder / "evaluate.py")
    with script.imports():                      # `import helper` finds folder/helper.py
        script.module.examine(candidate, held_out)

A script imports its siblings by their plain names. Two problems may have modules of one name: each
sees its own. Each is compiled from its source: Python's caches know a file by its size and the
second of its last change, so they miss an edit that follows at once.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

# What is imported is the whole process's: one script at a time has its siblings there.
_turn = threading.RLock()


class Script:
    """A loaded script: `module` is what it defines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._siblings: dict[str, ModuleType] = {}
        name = f"{path.parent.name}_{path.stem}"
        loader = _FromSource(name, str(path))
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        with self.imports():
            sys.modules[spec.name] = module  # dataclasses look their module up
            spec.loader.exec_module(module)
        self.module: Any = module

    @property
    def files(self) -> list[Path]:
        """The script and the siblings that it has imported so far."""
        return sorted({self.path, *(Path(str(m.__file__)) for m in self._siblings.values())})

    @contextmanager
    def imports(self) -> Iterator[None]:
        """While this lasts, `import` finds this script's siblings first, and only them after."""
        with _turn:
            yield from self._imports()

    def _imports(self) -> Iterator[None]:
        folder, others = self.path.parent, dict(sys.modules)
        finder = _Siblings(folder)
        sys.modules.update(self._siblings)
        sys.meta_path.insert(0, finder)
        # At the end, for folders without `__init__.py`: other threads find nothing else here.
        sys.path.append(str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            sys.meta_path.remove(finder)
            for name, module in list(sys.modules.items()):
                if others.get(name) is module:
                    continue
                file = getattr(module, "__file__", None)
                if file and folder in Path(file).parents:
                    self._siblings[name] = module
                    del sys.modules[name]
                    if name in others:
                        sys.modules[name] = others[name]


class _FromSource(SourceFileLoader):
    """Compiles the source itself and ignores bytecode caches."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Siblings:
    """Finds the modules below a folder, for `sys.meta_path` and the thread that makes it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._thread = folder, threading.get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if threading.get_ident() != self._thread:
            return None
        for place in [str(self.folder)] if path is None else path:
            if Path(place).is_relative_to(self.folder):
                extensions = (ExtensionFileLoader, EXTENSION_SUFFIXES)
                finder = FileFinder(place, extensions, (_FromSource, SOURCE_SUFFIXES))
                spec = finder.find_spec(name, target)
                if spec and spec.loader:
                    return spec
        return None


def load_script(path: Path) -> Script:
    """Runs a script of a trusted problem. Raises what it raises, OSError where there is none."""
    return Script(path.resolve())


def modules_below(folder: Path, without: Path) -> Iterator[Path]:
    """Every Python module that the scripts of a folder can import from there, in order; those in
    the folder `without` and in hidden folders are left out."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__pycache__")) and here / name != without
        )
        for path in sorted(here / name for name in files):
            if path.suffix in (".py", ".so") and path.is_file():
                yield path
