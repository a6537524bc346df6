"""The library of `demand`: what should apply does, whatever the values and the order."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from executor.edits import EditError, apply_edits
from executor.implementer.added_text import added_bytes
from executor.implementer.source_checks import source_problems
from executor.problem.problem import load_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library

PROBLEM = load_problem(Path(__file__).parents[2] / "gym_envs" / "demand")
ATOMS = {atom.id: atom for atom in load_library(PROBLEM.library)}
COMPLETED = [atom.id for atom in ATOMS.values() if atom.expect == "completed"]
APPLICABLE = [a.id for a in ATOMS.values() if a.expect in ("completed", "crashed", "timeout")]
STRONG = [
    "one-hot-hours",
    "free-day-profile",
    "holidays-are-free",
    "trend",
    "cooling-degrees",
    "thermal-lag",
    "weather-by-hour",
    "log-target",
    "huber-loss",
    "standardise",
    "momentum",
    "weight-averaging",
]


def edited(codebase: Mapping[str, str], text: str) -> Mapping[str, str]:
    files = PROBLEM.file.files
    return apply_edits(codebase, text, editable=files.editable, frozen=files.frozen)


def first(*idea_ids: str) -> str:
    """The text of ideas with their first values."""
    return idea_text([(ATOMS[idea_id], default_values(ATOMS[idea_id])) for idea_id in idea_ids])


@pytest.mark.parametrize("idea_id", APPLICABLE)
def test_an_idea_applies_with_each_of_its_values(idea_id: str) -> None:
    params = ATOMS[idea_id].params
    for values in itertools.product(*params.values()):
        text = idea_text([(ATOMS[idea_id], dict(zip(params, values, strict=True)))])
        after = edited(PROBLEM.codebase, text)
        assert after != PROBLEM.codebase
        for name, code in after.items():
            compile(code, name, "exec")


@pytest.mark.parametrize("idea_id", COMPLETED)
def test_an_honest_idea_is_small_and_not_held_back(idea_id: str) -> None:
    after = edited(PROBLEM.codebase, first(idea_id))
    assert added_bytes(PROBLEM, after) < 1024
    assert source_problems(PROBLEM.codebase, after) == []


def test_strong_ideas_do_the_same_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows_ND = some_rows()
    seen = []
    for order in (STRONG, STRONG[::-1]):
        model = load(edited(PROBLEM.codebase, first(*order)), "model", monkeypatch)
        seen.append(np.sort(model.features(rows_ND), axis=1))
    assert np.array_equal(*seen)


def test_nearly_all_pairs_of_ideas_combine() -> None:
    pairs = list(itertools.combinations(COMPLETED, 2))
    applied = 0
    for one, other in pairs:
        try:
            edited(PROBLEM.codebase, first(one, other))
        except EditError:
            continue
        applied += 1
    assert applied > 0.98 * len(pairs)


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_the_gradients_are_those_of_the_loss(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    load(PROBLEM.codebase, "model", monkeypatch)
    train = load(PROBLEM.codebase, "train", monkeypatch)
    rng = np.random.default_rng(0)
    config = train.Config(hidden_size=5, hidden_layers=layers, init_scale=2.0)
    weights = train.initialise(config, rng, inputs=7)
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    given = rng.standard_normal((4, 7)), rng.standard_normal(4), rng.random(4)

    _, gradients = train.loss_and_gradients(weights, *given)
    assert gradients.keys() == weights.keys()
    for name, array in weights.items():
        direction = rng.standard_normal(array.shape)
        ahead, back = (
            train.loss_and_gradients({**weights, name: array + by * direction}, *given)[0]
            for by in (1e-6, -1e-6)
        )
        expected = np.sum(gradients[name] * direction)
        assert (ahead - back) / 2e-6 == pytest.approx(expected, rel=1e-4, abs=1e-7)


def some_rows() -> np.ndarray:
    """Hours (5, 10) at which every column matters."""
    low, high = [0, 0, 0, 0, 0, -5, -5, -5, 0, 0], [23, 6, 364, 729, 1, 30, 30, 30, 1, 10]
    return np.random.default_rng(0).uniform(low, high, (5, 10)).round().astype(np.float32)


def load(codebase: Mapping[str, str], name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the codebase as a module, visible to the others under its own name."""
    module = ModuleType(name)
    patch.setitem(sys.modules, name, module)
    exec(compile(codebase[f"{name}.py"], name, "exec"), module.__dict__)
    return module
