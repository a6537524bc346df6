"""The recipe of a warm start: which model, what it is taught, and for how long.

    >>> path = "recipes/digits/sft/config_qwen3_tiny.yaml"
    >>> read_warm_start_recipe(path, {"seed": "1"}).seed
    1

Unknown keys are errors. Lengths are in tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from executor.errors import UserError
from executor.settings import AtLeast0, AtLeast1, Positive, Settings, Share, to_dict
from ideator_rl.recipe.envs import EnvSettings, check_envs
from ideator_rl.recipe.read import read_recipe
from ideator_rl.recipe.recipe import Recipe
from ideator_rl.recipe.sections import TrackingSettings
from ideator_rl.sft.idea_texts import DataSettings
from ideator_rl.sft.tiny_model import TinySizes

NotNegative = Annotated[float, Meta(ge=0, le=1e9)]


class StartModelSettings(Settings, frozen=True):
    """Where the model comes from, exactly one of: `architecture`, built from nothing with `sizes`;
    `path`, a checkpoint folder or hub name; `gguf`, a GGUF file or an installed package with one.

    `dtype` is that of the weights, in training and in the checkpoint.
    """

    architecture: Literal["qwen3"] | None = None
    sizes: TinySizes = TinySizes()
    path: str | None = None
    gguf: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if [self.architecture, self.path, self.gguf].count(None) != 2:
            raise ValueError("set exactly one of architecture, path and gguf")


class TrainingSettings(Settings, frozen=True):
    """AdamW on `batch_size` answers a step, for any number of processes. The learning rate
    rises over `warmup_steps` and falls to `final` times its value along `schedule`. Answers of more
    than `max_tokens`, prompt included, are left out."""

    steps: AtLeast1 = 300
    batch_size: AtLeast1 = 16
    learning_rate: Positive = 5e-3
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: AtLeast0 = 20
    final: Share = 0.1
    weight_decay: NotNegative = 0.01
    clip: Positive = 1.0
    max_tokens: AtLeast1 = 1024


class RunningSettings(Settings, frozen=True):
    """What changes no weight: how many answers a process takes at a time, and the steps between
    two checkpoints and two lines of the log."""

    micro_batch: AtLeast1 = 8
    checkpoint_every: AtLeast1 = 100
    log_every: AtLeast1 = 20


class WarmStartRecipe(Recipe, frozen=True, kw_only=True):
    """One supervised fine-tuning, on one problem (`env`) or on several (`envs`), whose answers take
    turns by weight."""

    folder: ClassVar[str] = "sft"
    determining: ClassVar[tuple[str, ...]] = ("model", "data", "training")

    envs: tuple[EnvSettings, ...] = ()
    model: StartModelSettings
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    running: RunningSettings = RunningSettings()
    tracking: TrackingSettings = TrackingSettings()

    @property
    def problems(self) -> tuple[EnvSettings, ...]:
        """The one or the several."""
        return self.envs or (EnvSettings(self.env, problem=self.problem),)

    def science(self) -> dict[str, Any]:
        return super().science() | {"envs": to_dict(self)["envs"]}


def read_warm_start_recipe(
    path: str | Path, overrides: Mapping[str, str] | None = None
) -> WarmStartRecipe:
    """Reads a recipe. Raises UserError."""
    recipe = read_recipe(path, WarmStartRecipe, overrides)
    check_envs(recipe.envs, path)
    return recipe


def run_folder(recipe: WarmStartRecipe) -> Path:
    """Where the run keeps its files, a local path. Raises UserError for a bucket."""
    store = recipe.store.removeprefix("file://")
    if "://" in store:
        raise UserError(f"store {store}: a warm start needs a local folder; choose another --store")
    return Path(store).expanduser().absolute() / "runs" / recipe.run
