"""The few names that evaluators import from their frameworks, where those are not installed.

`EvaluationResult` of OpenEvolve and SkyDiscover, `run_shinka_eval` of ShinkaEvolve, written after
their documentation. A framework that is installed is used itself.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass
class EvaluationResult:
    """Metrics, and texts beside them."""

    metrics: dict
    artifacts: dict = field(default_factory=dict)

    @classmethod
    def from_dict(cls, metrics: dict) -> EvaluationResult:
        return cls(metrics)

    def to_dict(self) -> dict:
        return self.metrics


def run_shinka_eval(
    program_path: str,
    results_dir: str,
    experiment_fn_name: str,
    num_runs: int,
    get_experiment_kwargs: Callable[[int], dict] | None = None,
    aggregate_metrics_fn: Callable[[list], dict] | None = None,
    validate_fn: Callable[[Any], tuple[bool, str | None]] | None = None,
    default_metrics_on_error: dict | None = None,
    **others: object,
) -> tuple[dict, bool, str | None]:
    """Calls a function of the program `num_runs` times, checks and sums up what it returned, and
    writes `metrics.json` and `correct.json`. Plots, early stops and workers are left out."""
    metrics: dict = {}
    errors: list[str] = []
    try:
        experiment = getattr(_loaded(program_path), experiment_fn_name)
        results, seconds, wrong = [], [], 0
        for run in range(num_runs):
            kwargs = get_experiment_kwargs(run) if get_experiment_kwargs else {"seed": run + 1}
            start = time.perf_counter()
            results.append(experiment(**kwargs))
            seconds.append(time.perf_counter() - start)
            valid, why = validate_fn(results[-1]) if validate_fn else (True, None)
            if not valid:
                wrong += 1
                errors.append(f"Validation failed: {why}")
        metrics = dict(aggregate_metrics_fn(results)) if aggregate_metrics_fn else {}
        metrics["execution_time_mean"] = sum(seconds) / max(1, len(seconds))
        metrics |= {"num_valid_runs": num_runs - wrong, "num_invalid_runs": wrong}
    except Exception as error:
        metrics = dict(default_metrics_on_error or {"combined_score": 0.0})
        errors.append(f"{type(error).__name__}: {error}")
    metrics.pop("extra_data", None)
    save_json_results(results_dir, metrics, not errors, errors[0] if errors else None)
    return metrics, not errors, errors[0] if errors else None


def save_json_results(
    results_dir: str, metrics: dict, correct: bool, error: str | None = None
) -> None:
    """Writes what ShinkaEvolve reads."""
    folder = Path(results_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics, default=float))
    (folder / "correct.json").write_text(json.dumps({"correct": correct, "error": error}))


def _loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("program", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_NAMES: dict[str, dict[str, Any]] = {
    "openevolve.evaluation_result": {"EvaluationResult": EvaluationResult},
    "skydiscover.evaluation.evaluation_result": {"EvaluationResult": EvaluationResult},
    "skydiscover.optimize.evaluation.evaluation_result": {"EvaluationResult": EvaluationResult},
    "shinka.core": {"run_shinka_eval": run_shinka_eval, "save_json_results": save_json_results},
    "shinka.core.wrap_eval": {
        "run_shinka_eval": run_shinka_eval,
        "save_json_results": save_json_results,
    },
}


def install() -> None:
    """Makes the names importable."""
    missing = {name for name in _packages() if importlib.util.find_spec(name) is None}
    for module, names in _NAMES.items():
        parts = module.split(".")
        if parts[0] not in missing:
            continue
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name not in sys.modules:
                sys.modules[name] = made = ModuleType(name)
                made.__path__ = []
                if depth > 1:
                    setattr(sys.modules[name.rpartition(".")[0]], parts[depth - 1], made)
        for name, value in names.items():
            setattr(sys.modules[module], name, value)


def _packages() -> set[str]:
    return {name.partition(".")[0] for name in _NAMES} - set(sys.modules)
