"""A problem's files for tests: scripts as modules, the codebase with an idea applied."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from executor.edits import apply_edits
from executor.problem.problem import Problem


def load(path: Path) -> ModuleType:
    """A script by its path, as executor and examiner load it."""
    names = path.relative_to(path.parents[2]).with_suffix("").parts
    spec = importlib.util.spec_from_file_location("_".join(("loaded", *names)), path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def with_idea(
    problem: Problem, codebase: Mapping[str, str], idea: Mapping[str, Any], *values: Any
) -> Mapping[str, str]:
    """A codebase with an idea of the library applied; its parameters' first values unless told
    otherwise."""
    text = f"[Experiment] {idea['experiment']}\n[Code Changes]\n{idea['changes']}"
    params = idea.get("params", {})
    for name, value in zip(params, values or [v[0] for v in params.values()], strict=True):
        text = text.replace(f"{{{name}}}", str(value))
    files = problem.file.files
    return apply_edits(codebase, text, editable=files.editable, frozen=files.frozen)
