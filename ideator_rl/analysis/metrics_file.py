"""`metrics.jsonl`: one JSON object a step of a GRPO run.

    >>> append_step(Path("metrics.jsonl"), 3, {"reward/mean": 0.71})
    >>> read_steps(Path("metrics.jsonl"))[3]["reward/mean"]        # parse_steps reads a text
    0.71

A run that was killed between a checkpoint and its last step repeats steps: the later line wins.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path

METRICS = "metrics.jsonl"
# With the name of a problem before it, the mean reward of the answers on this one.
_MEAN = "/reward/mean"
# Larger numbers are no steps: they would be rounded on an axis.
_LAST_STEP = 10**9


def append_step(path: Path, step: int, figures: Mapping[str, float]) -> None:
    """Adds the line of a step; figures that are no finite number are left out."""
    finite = {name: value for name, value in figures.items() if math.isfinite(value)}
    line = json.dumps({"step": step, "time": time.time(), **finite})
    with path.open("a") as file:
        # A line that a kill cut short must not swallow this one.
        file.write(f"{'' if _ends_well(path) else chr(10)}{line}\n")


def read_steps(path: Path) -> dict[int, dict[str, float]]:
    """`parse_steps` of a file; empty where there is none."""
    return parse_steps(path.read_text() if path.is_file() else "")


def parse_steps(text: str) -> dict[int, dict[str, float]]:
    """The lines by step, in the order of the steps.

    A line that a kill cut short is left out, and so is what is no finite number.
    """
    found: dict[int, dict[str, float]] = {}
    for line in text.splitlines():
        try:
            # An integer can be larger than any float.
            figures = json.loads(line, parse_int=float)
            step = int(figures["step"])
        except (ValueError, KeyError, TypeError, OverflowError):
            continue
        if 0 <= step <= _LAST_STEP:
            finite = {n: v for n, v in figures.items() if isinstance(v, float) and math.isfinite(v)}
            found[step] = finite | {"step": step}
    return dict(sorted(found.items()))


def best_before(path: Path, step: int, name: str = "reward/max") -> float:
    """The highest reward, or another figure, of the steps before; -inf before the first."""
    lines = read_steps(path).items()
    return max((line.get(name, -math.inf) for s, line in lines if s < step), default=-math.inf)


def problems_of(figures: Mapping[str, float]) -> list[str]:
    """The problems that a step of a training on several has figures of: `digits` where there is
    `digits/reward/mean`."""
    return [name.removesuffix(_MEAN) for name in figures if name.endswith(_MEAN)]


def steps_of(steps: Mapping[int, Mapping[str, float]], problem: str) -> dict[int, dict[str, float]]:
    """The steps of one of several problems, their figures named like those of a training on it
    alone; what is measured of all problems together is left out."""
    found = {}
    for step, figures in steps.items():
        prefix = f"{problem}/"
        own = {n.removeprefix(prefix): v for n, v in figures.items() if n.startswith(prefix)}
        if own:
            found[step] = own | {"step": step}
    return found


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"
