"""Does something once a package has been imported, at once where it is there already.

when_imported("gymnasium", register_problems)       # imports nothing itself
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def when_imported(package: str, work: Callable[[], None]) -> None:
    """Does `work` once, right after the package was imported by whomever."""
    if package in sys.modules:
        work()
    else:
        sys.meta_path.insert(0, _Watch(package, work))


class _Watch:
    """Finds the package as all others do, and adds the work to its loading."""

    def __init__(self, package: str, work: Callable[[], None]) -> None:
        self._package, self._work = package, work
        self._asks = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._package or self._asks:
            return None
        self._asks = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asks = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                sys.meta_path.remove(self)
                self._work()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
