"""The recipe of a GRPO run: the science here, the hardware in a profile, all of verl in `verl:`.

    >>> read_train_recipe("recipes/digits/grpo/config_qwen3_tiny.yaml", {"steps": "60"}).steps
    60

Unknown keys are errors. Lengths are in tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from executor.errors import UserError
from executor.settings import AtLeast1, Positive, Settings, to_dict
from ideator_rl.analysis.metrics_file import METRICS
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.plugins.plugins import PluginSettings, load_plugin
from ideator_rl.recipe.bundled import find_recipe
from ideator_rl.recipe.envs import EnvSettings, check_envs
from ideator_rl.recipe.read import read_recipe
from ideator_rl.recipe.recipe import ExecutingRecipe
from ideator_rl.recipe.sections import LocalWorkersSettings, TrackingSettings, prompt_for
from ideator_rl.rl.objectives.entropy_hold import EntropyHoldSettings
from ideator_rl.rl.objectives.imitation import ImitationSettings
from ideator_rl.rl.objectives.settings import GrpoObjective, Objective, check_objective
from ideator_rl.rl.objectives.signal import SignalSettings
from ideator_rl.rl.step_prompts import StepPromptsSettings

NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class TrainedModelSettings(Settings, frozen=True):
    """What is trained: a checkpoint folder or hub name (`path`), or the model that a warm start
    makes; `warm_start` is the path of its recipe, from this recipe's folder."""

    path: str | None = None
    warm_start: str | None = None


class AnswerSettings(Settings, frozen=True):
    """What the model is shown and how it answers, see `ideators.chat`. `prompt` is by default
    `full`, and `words` where a language model writes the code."""

    prompt: PromptStyle | None = None
    max_prompt_tokens: AtLeast1 = 8192
    max_answer_tokens: AtLeast1 = 8192
    temperature: Positive = 1.0
    max_turns: AtLeast1 = 1


class GrpoSettings(Settings, frozen=True):
    """Group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300).

    A step samples `groups` groups of `group_size` answers, and the recipe's `objective` says what
    each answer's advantage is. The batch is used once, in `mini_batches` updates with the ratio
    clipped to 1 ± `clip`. `kl` weighs the divergence from the initial model in the loss; 0 keeps no
    reference model.

    With a `staleness` of 1, the ideas of a step are written and executed while the step before is
    learnt from, so by a model that is one step older; weights of each token's importance, at most
    2, correct for it. A step learns from the groups that are complete first, and a group whose
    trials take longer is carried into the next one and earns there. A step waits for an idea's
    outcome at most `deadline_s` wall seconds, and counts what is not there by then as a timeout,
    without a limit where it is left out.
    """

    groups: AtLeast1 = 8
    group_size: Annotated[int, msgspec.Meta(ge=2)] = 16
    mini_batches: AtLeast1 = 1
    learning_rate: Positive = 1e-6
    kl: NotNegative = 0.0
    clip: Positive = 0.2
    entropy: NotNegative = 0.0
    staleness: Annotated[int, msgspec.Meta(ge=0, le=4)] = 0
    deadline_s: Positive | None = None


class CheckpointSettings(Settings, frozen=True):
    """How often weights and optimiser are written, how many are kept; `folder` is a local one, by
    default in the run's folder."""

    every: AtLeast1 = 10
    keep: AtLeast1 = 2
    folder: str | None = None


class LearntEnvSettings(EnvSettings, frozen=True):
    """One of several problems, of which a list names each once, as `{env: NAME, …}` or by its name
    alone. `weight` is its share of the groups beside the other weights; `problem` overrides single
    fields of its problem.toml by dotted name. Rewards are learnt from as gains over the baseline,
    in a `unit` that is by default the standard deviation of the baseline's rewards between seeds;
    what failed, or is as bad, counts as ten of them below."""

    unit: Positive | None = None


class TrainRecipe(ExecutingRecipe, frozen=True):
    """One GRPO run of `steps` steps, on one problem (`env`) or on several (`envs`); with
    `executions`, it ends after the step in which so many different codebases have run, if that
    comes first. `prompts` says which ideas of earlier steps each group is shown when its step
    begins, `objective` what a group of ideas is wanted for, `signal` what changes their rewards
    before. With `imitation` and `entropy_hold`, each off where it is left out, a step wants more
    than its rewards. `profile` names the hardware; `verl` sets any field of verl's configuration,
    as nested keys; `stage_timeout_s` bounds each stage of a step, in wall seconds."""

    folder: ClassVar[str] = "grpo"
    lacks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "ideator": "train updates the weights of a checkpoint, which `model` names, and has no "
            "section ideator; remove it"
        }
    )
    determining: ClassVar[tuple[str, ...]] = (
        "model",
        "answer",
        "prompts",
        "implementer",
        "grpo",
        "objective",
        "signal",
        "imitation",
        "entropy_hold",
        "verl",
    )

    envs: tuple[LearntEnvSettings, ...] = ()
    steps: AtLeast1 = 40
    executions: AtLeast1 | None = None
    profile: Literal["cpu", "gpu", "gpu-lora"] = "cpu"
    model: TrainedModelSettings = TrainedModelSettings()
    answer: AnswerSettings = AnswerSettings()
    prompts: StepPromptsSettings = StepPromptsSettings()
    grpo: GrpoSettings = GrpoSettings()
    objective: Objective = GrpoObjective()
    signal: SignalSettings = SignalSettings()
    imitation: ImitationSettings | None = None
    entropy_hold: EntropyHoldSettings | None = None
    checkpoint: CheckpointSettings = CheckpointSettings()
    stage_timeout_s: Positive = 7200.0
    tracking: TrackingSettings = TrackingSettings()
    verl: dict[str, Any] = {}

    @property
    def base_key(self) -> str:
        return "prompts.base" if self.prompts.base == "parent" else ""

    @property
    def by_turns(self) -> bool:
        """Whether trials have the trainer's GPUs while its model sleeps."""
        return isinstance(self.executor.workers, LocalWorkersSettings)

    def science(self) -> dict[str, Any]:
        science = super().science()
        if self.model.warm_start is not None:
            # Not where recipes lie, nor from where the command is given.
            science["model.warm_start"] = Path(self.model.warm_start).name
        if self.imitation is not None and self.imitation.source is not None:
            science["imitation.from"] = Path(self.imitation.source).name
        return science | {"envs": to_dict(self)["envs"]}


def read_train_recipe(path: str | Path, overrides: Mapping[str, str] | None = None) -> TrainRecipe:
    """Reads a recipe; a warm start is named from its folder, the prompt's style is settled. Raises
    UserError."""
    path = find_recipe(path, TrainRecipe.folder)
    recipe = read_recipe(path, TrainRecipe, overrides)
    model = recipe.model
    if (model.path is None) == (model.warm_start is None):
        raise UserError(
            f"{path}: model: set either `path` or `warm_start`, and the other to null, as with "
            "--model.warm_start null"
        )
    if model.warm_start is not None:
        model = TrainedModelSettings(warm_start=str(Path(path).parent / model.warm_start))
    if recipe.by_turns and (recipe.answer.max_turns > 1 or recipe.grpo.staleness):
        raise UserError(
            f"{path}: executor.workers: local: trials and training take turns, so that all answers "
            "of a step are written before the first trial: set answer.max_turns to 1 and "
            "grpo.staleness to 0, or executor.workers.kind to ray"
        )
    if isinstance(workers := recipe.executor.workers, PluginSettings):
        # They are opened in an actor, where an error would come late.
        load_plugin("workers", "executor.workers", workers.name, workers.options)
    check_objective(recipe.objective, recipe.grpo.group_size)
    if recipe.changes_parents and recipe.prompts.kind == "fixed":
        raise UserError(
            f"{path}: prompts.base: parent changes the code of an idea that prompts.kind chooses, "
            "and `fixed` chooses none; set it to puct, best or random"
        )
    if recipe.imitation is not None and recipe.answer.max_turns > 1:
        raise UserError(
            f"{path}: imitation: an idea of a later turn answers outcomes that only its own turn "
            "knew; set answer.max_turns to 1"
        )
    _check_several(recipe, path)
    prompt = recipe.answer.prompt or prompt_for(recipe.implementer)
    answer = msgspec.structs.replace(recipe.answer, prompt=prompt)
    return msgspec.structs.replace(recipe, model=model, answer=answer)


def _check_several(recipe: TrainRecipe, path: Path) -> None:
    """Refuses what several problems cannot have. Raises UserError."""
    check_envs(recipe.envs, path)
    seeds = recipe.executor.baseline_seeds
    if seeds < 2 and any(one.unit is None for one in recipe.envs):
        raise UserError(
            f"{path}: executor.baseline_seeds: the noise of each baseline is the unit of rewards, "
            f"and {seeds} seed tells none: set at least 2, or envs.unit"
        )
    if recipe.envs and recipe.answer.max_turns > 1:
        raise UserError(
            f"{path}: answer.max_turns: rewards of several problems are made comparable idea by "
            "idea, and not as sums over turns; set it to 1"
        )


@dataclass(frozen=True)
class RunPaths:
    """Where a run keeps what is not an idea: local paths, all absolute."""

    checkpoints: Path
    prompts: Path
    agent_loops: Path
    metrics: Path
    model: Path


def run_paths(recipe: TrainRecipe) -> RunPaths:
    """Raises UserError when the store is in a bucket and no folder for checkpoints is set."""
    own, in_bucket = recipe.checkpoint.folder, "://" in recipe.store
    if in_bucket and own is None:
        raise UserError(
            f"store {recipe.store}: weights need a local folder; set --checkpoint.folder"
        )
    run = Path(recipe.store, "runs", recipe.run).absolute()
    folder = Path(own).absolute() if own else run
    return RunPaths(
        checkpoints=folder / "checkpoints",
        prompts=folder / "prompts.parquet",
        agent_loops=folder / "agent_loops.yaml",
        metrics=(folder if in_bucket else run) / METRICS,
        model=folder / "model",
    )
