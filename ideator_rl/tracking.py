"""Where a run's figures go besides its store: Weights & Biases, or nowhere.

tracker = open_tracker(recipe, recipe.tracking)
tracker.log({"reward": 0.41, "best": 0.43}, step=12)
tracker.finish()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from executor.errors import UserError
from executor.settings import to_dict
from executor.text.outside_text import clean_line
from ideator_rl.recipe.recipe import Recipe
from ideator_rl.recipe.sections import TrackingSettings

LONGEST_LINE = 500


class Tracker(Protocol):
    def log(self, figures: Mapping[str, float | str], step: int) -> None:
        """Records figures at a step; steps only grow."""

    def summarize(self, figures: Mapping[str, float | str]) -> None:
        """Records figures of the run as a whole."""

    def finish(self) -> None:
        """Ends the run and waits until everything is written."""


class NoTracker:
    def log(self, figures: Mapping[str, float | str], step: int) -> None:
        pass

    def summarize(self, figures: Mapping[str, float | str]) -> None:
        pass

    def finish(self) -> None:
        pass


class WandbTracker:
    """One W&B run a run; a resumed one goes on with it. WANDB_MODE=offline is honoured."""

    def __init__(self, recipe: Recipe, settings: TrackingSettings) -> None:
        try:
            import wandb
        except ImportError:
            raise UserError(
                "tracking.kind is wandb, but wandb is not installed; run: "
                "pip install 'ideator-rl[wandb]'"
            ) from None
        try:
            self._run = wandb.init(
                project=settings.project,
                name=recipe.run,
                id=recipe.run,
                resume="allow",
                config=to_dict(recipe),
                settings=wandb.Settings(silent=True),
            )
        except wandb.errors.UsageError as error:
            line = clean_line(str(error), LONGEST_LINE)
            raise UserError(f"wandb: {line} (or set WANDB_MODE=offline)") from None

    def log(self, figures: Mapping[str, float | str], step: int) -> None:
        self._run.log(_cleaned(figures), step=step)

    def summarize(self, figures: Mapping[str, float | str]) -> None:
        self._run.summary.update(_cleaned(figures))

    def finish(self) -> None:
        self._run.finish()


def _cleaned(figures: Mapping[str, float | str]) -> dict[str, float | str]:
    """Names and texts as W&B's page and terminal may show them."""
    return {
        clean_line(name, LONGEST_LINE): clean_line(value, LONGEST_LINE)
        if isinstance(value, str)
        else value
        for name, value in figures.items()
    }


def open_tracker(recipe: Recipe, settings: TrackingSettings) -> Tracker:
    """The tracker that a recipe asks for. Raises UserError when it cannot be had."""
    return WandbTracker(recipe, settings) if settings.kind == "wandb" else NoTracker()
