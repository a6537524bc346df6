"""The library of `digits`: what should apply does, whatever the values and the order."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from executor.edits import EditError, apply_edits
from executor.problem.problem import load_problem

PROBLEM = load_problem(Path(__file__).parents[2] / "gym_envs" / "digits")
IDEAS: dict[str, dict[str, Any]] = {
    idea["id"]: idea for idea in yaml.safe_load(PROBLEM.library.read_text())
}
COMPLETED = [i for i in IDEAS if IDEAS[i].get("expect", "completed") == "completed"]
APPLICABLE = [i for i in IDEAS if IDEAS[i].get("expect") in (None, "crashed", "timeout")]
STRONG = [
    "momentum",
    "hidden-size",
    "learning-rate",
    "affine-augmentation",
    "cosine-schedule",
    "standardise-inputs",
    "edge-features",
    "label-smoothing",
    "dropout",
    "ensemble",
]


def changes(idea_id: str, *values: Any) -> str:
    """An idea's edits; its parameters' first values unless told otherwise."""
    text, params = IDEAS[idea_id]["changes"], IDEAS[idea_id].get("params", {})
    for name, value in zip(params, values or [v[0] for v in params.values()], strict=True):
        text = text.replace(f"{{{name}}}", str(value))
    return text


def edited(codebase: Mapping[str, str], text: str) -> Mapping[str, str]:
    files = PROBLEM.file.files
    idea = f"[Experiment] A test.\n[Code Changes]\n{text}"
    return apply_edits(codebase, idea, editable=files.editable, frozen=files.frozen)


def load(codebase: Mapping[str, str], name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the codebase as a module, visible to the others under its own name."""
    module = ModuleType(name)
    patch.setitem(sys.modules, name, module)
    exec(compile(codebase[f"{name}.py"], name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("idea_id", APPLICABLE)
def test_an_idea_applies_with_each_of_its_values(idea_id: str) -> None:
    for values in itertools.product(*IDEAS[idea_id].get("params", {}).values()):
        after = edited(PROBLEM.codebase, changes(idea_id, *values))
        assert after != PROBLEM.codebase
        for name, text in after.items():
            compile(text, name, "exec")


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(STRONG, 2)))
def test_strong_ideas_combine_in_both_orders(first: str, second: str) -> None:
    one_way = edited(edited(PROBLEM.codebase, changes(first)), changes(second))
    other_way = edited(edited(PROBLEM.codebase, changes(second)), changes(first))
    assert one_way == other_way


def test_all_strong_ideas_combine_in_one_text() -> None:
    together = edited(PROBLEM.codebase, "\n".join(changes(i) for i in STRONG))
    after = PROBLEM.codebase
    for idea_id in reversed(STRONG):
        after = edited(after, changes(idea_id))
    assert together == after


def test_most_pairs_of_ideas_combine() -> None:
    pairs = list(itertools.combinations(COMPLETED, 2))
    applied = 0
    for first, second in pairs:
        try:
            edited(PROBLEM.codebase, changes(first) + "\n" + changes(second))
        except EditError:
            continue
        applied += 1
    assert applied > 0.95 * len(pairs)


@pytest.mark.parametrize("idea_id", [None, "gelu", "tanh", "leaky-relu", "second-hidden-layer"])
def test_the_gradients_are_those_of_the_loss(
    idea_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    codebase = edited(PROBLEM.codebase, changes(idea_id)) if idea_id else PROBLEM.codebase
    load(codebase, "model", monkeypatch)
    train = load(codebase, "train", monkeypatch)
    rng = np.random.default_rng(0)
    config = dataclasses.replace(train.Config(), hidden_size=5, init_scale=2.0)
    weights = train.initialise(config, rng, features=7, classes=3)
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    x, targets_BC = rng.standard_normal((4, 7)), np.eye(3)[[0, 1, 2, 0]]

    _, gradients = train.loss_and_gradients(weights, x, targets_BC)
    assert gradients.keys() == weights.keys()
    for name, array in weights.items():
        direction = rng.standard_normal(array.shape)
        ahead, _ = train.loss_and_gradients(
            {**weights, name: array + 1e-6 * direction}, x, targets_BC
        )
        back, _ = train.loss_and_gradients(
            {**weights, name: array - 1e-6 * direction}, x, targets_BC
        )
        expected = np.sum(gradients[name] * direction)
        assert (ahead - back) / 2e-6 == pytest.approx(expected, rel=1e-4, abs=1e-7)
