"""A run keeps the fingerprints of its models, asked or trained; it goes on with no others.

keep_weights(run, {"org/name": fingerprint(folder)})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.errors import UserError
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder

WEIGHTS = "weights"


@dataclass(frozen=True)
class Weights(StrictRecord):
    """The fingerprints of the models that were added at a time, by name."""

    models: Mapping[str, str]


def check_weights(run: RunFolder, models: Mapping[str, str], advice: str = "--run") -> None:
    """Compares models with those that the run began with.

    Args:
        run: the run.
        models: fingerprints by name.
        advice: the option that names another run.

    Raises:
        UserError: a model is another one: what one has written may not be told as another's.
    """
    kept = _kept(run)
    for name, now in models.items():
        if kept.get(name, now) != now:
            raise UserError(
                f"{name} has other weights, another tokenizer or another configuration than when "
                f"the run {run.name} was begun; put the old model back, or choose another name "
                f"with {advice}"
            )


def keep_weights(run: RunFolder, models: Mapping[str, str], advice: str = "--run") -> None:
    """Keeps the fingerprints that the run does not have yet; see `check_weights`."""
    if not models:
        return
    check_weights(run, models, advice)
    if new := {name: models[name] for name in models.keys() - _kept(run).keys()}:
        number = max(run.kept_numbered(WEIGHTS, Weights), default=-1) + 1
        run.keep_numbered(WEIGHTS, number, Weights(new))


def _kept(run: RunFolder) -> dict[str, str]:
    kept = run.kept_numbered(WEIGHTS, Weights).values()
    return {name: weights for some in kept for name, weights in some.models.items()}
