"""A run keeps the fingerprints of the models that it asks; it goes on with no others.

keep_weights(run, {"org/name": fingerprint(folder)})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.errors import UserError
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder

WEIGHTS = "weights.json"


@dataclass(frozen=True)
class Weights(StrictRecord):
    """The fingerprints of models by name."""

    models: Mapping[str, str]


def keep_weights(run: RunFolder, models: Mapping[str, str], advice: str = "--run") -> None:
    """Raises UserError where a model is another one than when the run began: what one has written
    may not be told as another's. `advice` is the option that names another run."""
    kept = run.kept(WEIGHTS, Weights) or Weights({})
    for name, now in models.items():
        if kept.models.get(name, now) != now:
            raise UserError(
                f"{name} has other weights, another tokenizer or another configuration than when "
                f"the run {run.name} was begun; put the old model back, or choose another name "
                f"with {advice}"
            )
    if not kept.models.keys() >= models.keys():
        run.keep(WEIGHTS, Weights({**kept.models, **models}))
