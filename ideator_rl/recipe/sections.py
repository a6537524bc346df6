"""The sections of recipes that several commands have, or a search alone, as frozen types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from executor.implementer.edit_format import EditFormat
from executor.llm.settings import LLMSettings
from executor.sandbox import Level
from executor.settings import (
    AtLeast0,
    AtLeast1,
    Positive,
    Scalar,
    Settings,
    Share,
    Slots,
)
from ideator_rl.ideators.archive_prompts import PromptsSettings
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.plugins.plugins import PluginSettings


class LibraryIdeatorSettings(Settings, frozen=True, tag="library", tag_field="kind"):
    """Recombines the problem's own ideas: the embedded baseline, no language model."""


class CheckpointIdeatorSettings(Settings, frozen=True, tag="checkpoint", tag_field="kind"):
    """An open-weight language model: a checkpoint folder, or `org/name` of the hub.

    `prompt` and `max_tokens`, which bounds an answer, are by default what the model's folder says,
    see `ideators/language_model/model_folder.py`. With `prompts` it is asked as in training with
    them; else it is shown all that the search method shows, and told which kind of idea is wanted.
    """

    model: str
    prompts: PromptsSettings | None = None
    prompt: PromptStyle | None = None
    max_tokens: AtLeast1 | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] = 1.0


class ApiIdeatorSettings(Settings, frozen=True, tag="api", tag_field="kind"):
    """A language model behind an API, which reads the problem and writes ideas in words."""

    llm: LLMSettings


IdeatorSettings = (
    LibraryIdeatorSettings | CheckpointIdeatorSettings | ApiIdeatorSettings | PluginSettings
)


class DirectImplementerSettings(Settings, frozen=True, tag="direct", tag_field="kind"):
    """Ideas carry their own edits: no language model."""


class LLMImplementerSettings(Settings, frozen=True, tag="llm", tag_field="kind"):
    """A language model writes the edits of an idea, `samples` at once and each with up to
    `revisions` on what is wrong with it; `edit_format` is the form that it is asked for. A trial
    that crashes within `repair_within_s` wall seconds gets a second codebase, 0: none does."""

    llm: LLMSettings
    samples: AtLeast1 = 2
    revisions: AtLeast0 = 2
    edit_format: EditFormat = "blocks"
    repair_within_s: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


ImplementerSettings = DirectImplementerSettings | LLMImplementerSettings | PluginSettings


def prompt_for(implementer: ImplementerSettings) -> PromptStyle:
    """How an ideator is asked unless told otherwise: who has their code written writes words."""
    return "full" if isinstance(implementer, DirectImplementerSettings) else "words"


def code_model(implementer: ImplementerSettings) -> str:
    """Who writes the code, a language model or a plug-in; empty where ideas carry their edits."""
    if isinstance(implementer, LLMImplementerSettings):
        return implementer.llm.model
    return implementer.name if isinstance(implementer, PluginSettings) else ""


class SearchSettings(Settings, frozen=True):
    """Which algorithm, and how many ideas it proposes at a time (`sequential`: always one).

    `pipeline: epochs` proposes an epoch when all of the one before has ended, as the paper does;
    `continuous` as soon as fewer than `ahead` ideas are on their way (by default two a slot; more
    where writing an idea and its code takes longer than a trial), so that no slot waits. With
    `method: plugin` the method is that of another package, see docs/extending.md: `name` is its
    entry point or `package.module:name`, `options` are its own. `history` names a run of the store,
    imported or executed on the same problem, whose ideas the ideator is shown beside the search's
    own.

    With `base: parent`, an idea that exploits is an edit of the codebase of one earlier idea, its
    parent, instead of the baseline's; the problem's rules hold for the whole change. First ideas
    change the baseline.

    With `method: islands` ideas live on so many `islands`; the best of each is also on the next one
    after every `migrate_every` epochs, and a share `explore` of the ideas has no parent.
    """

    method: Literal["evolution", "best_of_n", "sequential", "islands", "plugin"] = "evolution"
    name: str | None = None
    options: dict[str, Any] = {}
    epoch_size: AtLeast1 = 8
    pipeline: Literal["epochs", "continuous"] = "epochs"
    ahead: AtLeast1 | None = None
    history: str | None = None
    base: Literal["baseline", "parent"] = "baseline"
    islands: AtLeast1 = 4
    migrate_every: AtLeast1 = 3
    explore: Share = 0.2

    @property
    def size(self) -> int:
        """How many ideas an epoch asks for."""
        return 1 if self.method == "sequential" else self.epoch_size


class BudgetSettings(Settings, frozen=True):
    """What the run may use, resumed sessions included.

    `ideas` counts neither the baseline nor the confirmation, `seconds` counts everything.
    """

    ideas: AtLeast1 = 24
    seconds: Positive | None = None


class LocalWorkersSettings(Settings, frozen=True, tag="local", tag_field="kind"):
    """Trials are processes of this machine. In a training they take turns with it on the same GPUs:
    a step's answers are written, then the model sleeps while they are executed."""


class RayWorkersSettings(Settings, frozen=True, tag="ray", tag_field="kind"):
    """Trials are tasks of a Ray cluster: that of RAY_ADDRESS, or else one that is started for the
    run. Its nodes have this package and the problem's data under the same paths."""


class StoreWorkersSettings(Settings, frozen=True, tag="store", tag_field="kind"):
    """Trials are left in the run's store, for machines that share nothing else: `ideator-rl worker`
    runs them. `slots` is by default as many as the workers have that are there at the start."""


WorkersSettings = LocalWorkersSettings | RayWorkersSettings | StoreWorkersSettings | PluginSettings


class ExecutorSettings(Settings, frozen=True):
    """`slots`: trials at a time, by default as many as the cores and GPUs allow. `sandbox`: by
    default best-effort for the library's ideas, which the problem's author wrote, and strict for
    others. `workers`: where trials run, by default on this machine; those of training on Ray."""

    workers: WorkersSettings | None = None
    sandbox: Level | None = None
    slots: Slots | None = None
    period_s: Positive = 10.0
    baseline_seeds: AtLeast1 = 3


class ConfirmSettings(Settings, frozen=True, rename={"other": "as"}):
    """How many of the best ideas run again when the search has ended, on how many fresh seeds.

    With `as` they run as another problem that shares the codebase, its own baseline beside them:
    the winners of a search on the loss after 25 minutes as time to a loss of 3.28, say. That is a
    run of its own, and what is reported is in its metric. `confirm.problem` overrides single keys
    of that problem.
    """

    top: AtLeast0 = 3
    seeds: AtLeast1 = 3
    other: str | None = None
    problem: dict[str, Scalar] = {}


class TrackingSettings(Settings, frozen=True):
    """`wandb` needs the extra of that name; WANDB_MODE=offline needs no account."""

    kind: Literal["none", "wandb"] = "none"
    project: str = "ideator-rl"
