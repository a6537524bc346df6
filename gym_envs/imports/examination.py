"""The examination of an imported problem: `evaluate.py` is `examine = examination(__file__)`."""

from __future__ import annotations

import json
import os
import random
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from executor.problem.problem_file import Imported
from executor.settings import convert
from gym_envs.imports.boxed import stand_ins
from gym_envs.imports.boxed.evaluation import Result, Settings, evaluated
from gym_envs.imports.boxed.wire import BadMessage
from gym_envs.imports.claims import Ask, Diverged, Transcript, believes
from gym_envs.imports.relay import Relay

if TYPE_CHECKING:
    from executor.trial.examiner import Candidate

MAX_RESULT_BYTES = 1_000_000


def examination(evaluate: str) -> Callable[[Candidate, Path], dict[str, float]]:
    """The function `examine` of an imported problem.

    Args:
        evaluate: the path of its `evaluate.py`.

    Returns:
        A function that raises ValueError to reject a candidate, as any examination does.
    """
    toml = Path(evaluate).with_name("problem.toml")
    told = tomllib.loads(toml.read_text())
    imported, metric = convert(told["imported"], Imported), told["reward"]["metric"]
    return (lambda c, h: _examined(imported, metric, c, h)) if imported.examined else _read


def evaluation_settings(imported: Imported) -> Settings:
    """What the box has to know of an imported problem."""
    return Settings(
        imported.kind, imported.evaluator, imported.cascade, imported.options, imported.features
    )


def _read(candidate: Candidate, held_out: Path) -> dict[str, float]:
    """What the evaluator left, in the program's process; the program may have written it."""
    file = candidate.folder / "result.json"
    if not file.is_file() or file.stat().st_size > MAX_RESULT_BYTES:
        raise ValueError("the evaluation left no result.json")
    try:
        said = json.loads(file.read_text())
        metrics = {str(name): float(value) for name, value in said["metrics"].items()}
        error = str(said["error"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("result.json is not what the evaluation writes") from None
    if error:
        raise ValueError(error)
    return metrics


def _examined(
    imported: Imported, metric: str, candidate: Candidate, held_out: Path
) -> dict[str, float]:
    """Runs the evaluator here, in the examiner; the program answers from its box.

    What the program says goes to the log of the examination, which no ideator reads: it has seen
    the evaluator's inputs.
    """
    stand_ins.install()
    transcript = Transcript(candidate)
    chance = random.getstate(), np.random.get_state()
    result, relay = _evaluation(imported, transcript.ask, held_out)

    def again(ask: Ask) -> float | None:
        """The score with other answers, and the same chance."""
        random.setstate(chance[0])
        np.random.set_state(chance[1])
        try:
            repeated, _ = _evaluation(imported, ask, held_out)
        except (ValueError, Diverged, BadMessage):
            return None
        return None if repeated.error else repeated.metrics.get(metric)

    for name, text in result.artifacts.items():
        print(f"{name}: {text}", flush=True)
    if relay.exceptions and imported.exceptions == "rejected":
        times = "once" if relay.exceptions == 1 else f"{relay.exceptions} times"
        raise ValueError(f"the program raised an exception {times} while it was evaluated")
    if result.error:
        print(result.error, flush=True)
        raise ValueError("the evaluator refused the program; see exam_log.txt")
    if imported.numbers == "claims" and believes(transcript, again):
        raise ValueError(
            "the evaluator believes a number that the program returned beside its answer: have it "
            'computed anew, or set imported.numbers = "answers" where it is a part of the answer'
        )
    return {**result.metrics, "exceptions": float(relay.exceptions)}


def _evaluation(imported: Imported, ask: Ask, held_out: Path) -> tuple[Result, Relay]:
    with tempfile.TemporaryDirectory(prefix="ideator-rl-evaluation-") as work:
        os.chdir(work)
        with Relay(ask, Path(imported.program).name) as relay:
            result = _evaluated(imported, relay, held_out, Path(work, "results"))
        os.chdir("/")
    return result, relay


def _evaluated(imported: Imported, relay: Relay, held_out: Path, work: Path) -> Result:
    work.mkdir()
    program = str(relay.program_path)
    try:
        result = evaluated(evaluation_settings(imported), held_out / "peer", program, work)
    except Exception as error:
        if relay.failure:
            raise relay.failure from None
        print(f"the evaluator raised {type(error).__name__}: {error}", flush=True)
        raise ValueError(f"the evaluator raised {type(error).__name__}; see exam_log.txt") from None
    if relay.failure:
        raise relay.failure
    return result
