"""The arms of the study: what is compared, each as keys of a recipe.

ARMS["grpo"].at(1e-3).keys        # {"grpo.learning_rate": "0.001"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from executor.errors import UserError

EXECUTIONS, STEPS = 640, 20
# Learning rates are chosen on one problem for all, on seeds that the study does not use, for the
# arms TUNED; the others take that of the arm that `like` names.
TUNING_ENV = "demand"
RATES = (5e-4, 1e-3, 2e-3)
TUNING_SEEDS = (100, 101)
MOST_SEEDS, FEW_SEEDS = 10, 5
CHOSEN = "max_at_k + imitation + no pay for copies"
TUNED = ("grpo", CHOSEN)


@dataclass(frozen=True)
class Arm:
    """`kind`: a training, a search by the library, or the warm-started model as it is (`sample`).
    `seeds`: how many runs are planned; `like` names the arm whose learning rate it takes."""

    kind: Literal["train", "search", "sample"]
    seeds: int = FEW_SEEDS
    keys: Mapping[str, str] = field(default_factory=dict)
    like: str = "grpo"

    def at(self, rate: float | None) -> Arm:
        """The same arm with a learning rate."""
        if rate is None:
            return self
        return replace(self, keys={**self.keys, "grpo.learning_rate": f"{rate:g}"})


_MAX = {"objective.kind": "max_at_k", "objective.k": "8"}
_IMITATE = {"imitation.weight": "0.3", "imitation.best": "16"}
_NO_PAY = {"signal.duplicates": "fail"}
_ENTROPIC = {"objective.kind": "entropic"}
_PARENTS = {"prompts.kind": "puct", "prompts.shown": "1", "prompts.base": "parent"}

ARMS: Mapping[str, Arm] = {
    # The main comparison.
    "grpo": Arm("train", MOST_SEEDS),
    CHOSEN: Arm("train", MOST_SEEDS, _MAX | _IMITATE | _NO_PAY, CHOSEN),
    "best_of_n": Arm("sample", MOST_SEEDS),
    "evolution": Arm("search", MOST_SEEDS, {"search.method": "evolution"}),
    # What it is made of.
    "max_at_k": Arm("train", keys=_MAX, like=CHOSEN),
    "max_at_k + no pay for copies": Arm("train", keys=_MAX | _NO_PAY, like=CHOSEN),
    "imitation": Arm("train", keys=_IMITATE, like=CHOSEN),
    "imitation + no pay for copies": Arm("train", keys=_IMITATE | _NO_PAY, like=CHOSEN),
    "no pay for copies": Arm("train", keys=_NO_PAY, like=CHOSEN),
    # Others that seek the top.
    "entropic": Arm("train", keys=_ENTROPIC, like=CHOSEN),
    "entropic + entropy hold": Arm(
        "train", keys=_ENTROPIC | {"entropy_hold.unseen": "0.6"}, like=CHOSEN
    ),
    # Remedies for GRPO's loss of diversity; the first two are the paper's.
    "grpo + length": Arm("train", keys={"signal.length": "0.1"}),
    "grpo + similarity": Arm("train", keys={"signal.similarity": "0.1"}),
    "grpo + kl": Arm("train", keys={"grpo.kl": "0.1"}),
    # Ideas that change the code of an earlier one, as the library's do in an evolution.
    "grpo + parents": Arm("train", keys=_PARENTS),
    "max_at_k + no pay for copies + parents": Arm(
        "train", keys=_MAX | _NO_PAY | _PARENTS, like=CHOSEN
    ),
    "evolution of what the model writes": Arm(
        "sample",
        keys={
            "search.method": "evolution",
            "search.base": "parent",
            "search.pipeline": "epochs",
            "ideator.prompts.kind": "fixed",
        },
    ),
    # A search beside evolution.
    "sequential": Arm("search", keys={"search.method": "sequential"}),
}


def arms_named(names: str | None) -> Mapping[str, Arm]:
    """Some of the arms, by a list with commas. Raises UserError."""
    if names is None:
        return ARMS
    asked = [name.strip() for name in names.split(",")]
    if unknown := [name for name in asked if name not in ARMS]:
        raise UserError(f"--arms: no arm is named {unknown[0]}; there are {', '.join(ARMS)}")
    return {name: ARMS[name] for name in asked}


def seeds_of(text: str) -> list[int]:
    """`0-4` or `0,2,7` as numbers. Raises UserError."""
    try:
        first, dash, last = text.partition("-")
        return [*range(int(first), int(last) + 1)] if dash else [*map(int, text.split(","))]
    except ValueError:
        raise UserError(f"--seeds {text}: give them as 0-4 or as 0,2,7") from None
