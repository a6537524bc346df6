"""The best evaluation of a run, as the paper reports it, with the last beside it.

Training leaves a folder of weights for each evaluation, candidate/step-02 and so on; each is
examined as the problem grpo examines its one candidate (`one_model.py` is that examination), all
with the same problems and seeds. The best of several measurements on the same problems is too high
by the luck of the one that was chosen; the last one has none of it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import one_model

MOST = 10  # 20 steps, every two: who evaluates more often has more luck to choose from
COMPARED = ("accuracy_at_1", "accuracy")


@dataclass(frozen=True)
class Evaluated:
    """The candidate of one evaluation, as `one_model.examine` sees it."""

    candidate: Any
    step: int
    folder: Path

    def ask(self, question: np.ndarray, **expected: Any) -> np.ndarray:
        return self.candidate.ask(question, **expected)


def examine(candidate, held_out: Path) -> dict[str, float]:
    all_evaluated = evaluations(candidate)
    for evaluated in all_evaluated:  # before anything is loaded
        one_model.check_files(evaluated.folder, held_out)
    measured = []
    for evaluated in all_evaluated:
        candidate.ask(np.array([evaluated.step]), shape=(0,), dtype="int64")
        metrics = one_model.examine(evaluated, held_out)
        print(f"step {evaluated.step}", metrics, flush=True)
        measured.append({"step": evaluated.step, **metrics})
    best = max(measured, key=lambda metrics: metrics["accuracy_at_1"])
    found = {f"best_{name}": max(metrics[name] for metrics in measured) for name in COMPARED}
    found |= {f"last_{name}": measured[-1][name] for name in COMPARED}
    return {**found, "best_step": best["step"], "evaluations": len(measured)}


def evaluations(candidate) -> list[Evaluated]:
    """In the order of their steps. Raises ValueError for a candidate that is not what is asked."""
    steps = {}
    for path in candidate.folder.iterdir():
        named = re.fullmatch(r"step-([0-9]{2,6})", path.name)
        if not named or not path.is_dir() or path.name != f"step-{int(named[1]):02d}":
            raise ValueError(
                "candidate/ holds more than the folders of evaluations, step-02 and on"
            )
        steps[int(named[1])] = path
    if not 1 <= len(steps) <= MOST:
        raise ValueError(f"candidate/ holds {len(steps)} evaluations; 1 to {MOST} are examined")
    return [Evaluated(candidate, step, steps[step]) for step in sorted(steps)]
