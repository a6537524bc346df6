"""Runs an evaluator on a program as its framework does, and reads what it says.

    result = evaluated(Settings("openevolve", "evaluator.py"), folder, "program.py", work)
    result.metrics["combined_score"], result.error

After the documentation of OpenEvolve, SkyDiscover and ShinkaEvolve: a mapping or an
`EvaluationResult` with artifacts; stages with a threshold between two; files of results.
`combined_score` is the mean of the numbers where the evaluator gives none.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

SCORE = "combined_score"


@dataclass(frozen=True)
class Settings:
    """As `executor.problem.problem_file.Imported` has them, which the box cannot import."""

    kind: str
    evaluator: str
    cascade: Sequence[float] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    features: Sequence[str] = ()


@dataclass(frozen=True)
class Result:
    """Numbers by name, texts by name, and why the evaluator refused the program, or ""."""

    metrics: Mapping[str, float]
    artifacts: Mapping[str, str]
    error: str


def evaluated(settings: Settings, folder: Path, program_path: str, work: Path) -> Result:
    """Evaluates the program.

    Args:
        settings: how.
        folder: where the evaluator and its files lie.
        program_path: the file that the evaluator is told.
        work: an empty folder, for files of results.

    Returns:
        What the evaluator said.

    Raises:
        Exception: whatever the evaluator raises.
    """
    path = folder / settings.evaluator
    sys.path[:0] = [str(path.parent), str(folder)]
    module = _loaded(path)
    if settings.kind == "shinka":
        said, artifacts = _of_files(module, program_path, work)
    else:
        said, artifacts = _of_stages(module, settings, program_path)
    error = said.get("error")
    refused = not (error is None or error is False or (error == "" and isinstance(error, str)))
    metrics = _numbers(said)
    if SCORE not in metrics:
        counted = [value for name, value in metrics.items() if name not in settings.features]
        metrics |= {SCORE: sum(counted) / len(counted)} if counted else {}
    texts = {str(name): str(text)[:2000] for name, text in artifacts.items()}
    return Result(metrics, texts, f"the evaluator says: {error}" if refused else "")


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluator", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluator"] = module
    spec.loader.exec_module(module)
    return module


def _of_stages(
    module: ModuleType, settings: Settings, program_path: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of the last stage that was reached over those of the ones before."""
    first = getattr(module, "evaluate_stage1", None)
    if not settings.cascade or first is None:
        return _split(module.evaluate(program_path, **settings.options))
    said, artifacts = _split(first(program_path))
    for number, threshold in enumerate(settings.cascade, start=2):
        stage: Callable | None = getattr(module, f"evaluate_stage{number}", None)
        if stage is None or not _fitness(said, settings.features) >= threshold:
            break
        more, texts = _split(stage(program_path))
        said, artifacts = {**said, **more}, {**artifacts, **texts}
    return said, artifacts


def _fitness(said: Mapping[str, Any], features: Sequence[str]) -> float:
    numbers = _numbers(said)
    if SCORE in numbers:
        return numbers[SCORE]
    counted = [value for name, value in numbers.items() if name not in features]
    return sum(counted) / len(counted) if counted else 0.0


def _split(result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics and artifacts of what an evaluator returned."""
    if hasattr(result, "metrics"):
        return dict(result.metrics), dict(getattr(result, "artifacts", None) or {})
    if not isinstance(result, Mapping):
        raise TypeError(f"the evaluator returned a {type(result).__name__}, not a mapping")
    artifacts = result.get("artifacts")
    return dict(result), dict(artifacts) if isinstance(artifacts, Mapping) else {}


def _of_files(
    module: ModuleType, program_path: str, work: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    module.main(program_path, str(work))
    said = json.loads((work / "metrics.json").read_text())
    correct = json.loads((work / "correct.json").read_text())
    for part in ("public", "private"):
        if isinstance(inner := said.pop(part, None), dict):
            said |= {f"{part}.{name}": value for name, value in inner.items()}
    if not correct.get("correct"):
        said["error"] = correct.get("error") or "not correct"
    texts = {name: text for name, text in said.items() if isinstance(text, str)}
    return said, texts


def _numbers(said: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers; truth values are numbers, too."""
    numbers = {}
    for name, value in said.items():
        is_number = isinstance(value, Real) or type(value).__module__ == "numpy"
        if name in ("error", "artifacts") or not is_number or getattr(value, "shape", ()) != ():
            continue
        if math.isfinite(float(value)):
            numbers[str(name)] = float(value)
    return numbers
