"""Recipes: what to run, as YAML; every key can be set on the command line.

    >>> path = "recipes/digits/search/config_evolution.yaml"
    >>> load_recipe(path, {"budget.ideas": "40"}).budget.ideas
    40

Unknown keys are errors. Seconds are wall seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from msgspec import Meta

from executor.errors import UserError
from executor.implementer.llm import EditFormat
from executor.llm.settings import LLMSettings, asked_of
from executor.sandbox import Level
from executor.settings import (
    AtLeast0,
    AtLeast1,
    FieldError,
    Positive,
    Scalar,
    Seed,
    Settings,
    Slots,
    convert,
    to_dict,
)
from ideator_rl.ideators.archive_prompts import PromptsSettings
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.bundled import find_recipe
from ideator_rl.yaml_text import read_yaml


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
    explore: Annotated[float, Meta(ge=0, le=1)] = 0.2

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


class Recipe(Settings, frozen=True):
    """What every recipe says: the problem, and the run of a store that it fills.

    `problem` overrides single fields of problem.toml by dotted name. `folder` is where recipes of
    the kind live, `recipes/<env>/<folder>/config_*.yaml`; `determining` are the sections that say
    what is found out, the others only how fast and how far; `lacks` says of sections of other
    kinds why this one has none.
    """

    folder: ClassVar[str]
    determining: ClassVar[tuple[str, ...]]
    lacks: ClassVar[Mapping[str, str]] = MappingProxyType({})

    env: str
    run: str
    store: str = "store"
    seed: Seed = 0
    problem: dict[str, Scalar] = {}

    def to_yaml(self) -> str:
        return yaml.safe_dump(to_dict(self), sort_keys=False)

    def science(self) -> dict[str, Any]:
        """What may not change when a run is resumed, by dotted key; the others change no idea."""
        kept = to_dict(self)
        sections = {name: kept[name] for name in ("problem", *self.determining)}
        dotted = {
            f"{s}.{key}": asked_of(value) if key == "llm" else value
            for s, keys in sections.items()
            for key, value in keys.items()
        }
        return {"env": self.env, "seed": self.seed} | dotted


class ExecutingRecipe(Recipe, frozen=True):
    """A recipe whose ideas are executed: who writes their code, and where and how it runs."""

    implementer: ImplementerSettings = DirectImplementerSettings()
    executor: ExecutorSettings = ExecutorSettings()

    @property
    def sandbox(self) -> Level:
        return self.executor.sandbox or "strict"

    @property
    def changes_parents(self) -> bool:
        """Whether ideas may change other codebases than the baseline."""
        return False


class SearchRecipe(ExecutingRecipe, frozen=True):
    """One search."""

    folder: ClassVar[str] = "search"
    determining: ClassVar[tuple[str, ...]] = ("ideator", "implementer", "search")

    ideator: IdeatorSettings = LibraryIdeatorSettings()
    search: SearchSettings = SearchSettings()
    budget: BudgetSettings = BudgetSettings()
    confirm: ConfirmSettings = ConfirmSettings()
    tracking: TrackingSettings = TrackingSettings()

    @property
    def changes_parents(self) -> bool:
        return self.search.base == "parent"

    @property
    def sandbox(self) -> Level:
        trusted = isinstance(self.ideator, LibraryIdeatorSettings) and isinstance(
            self.implementer, DirectImplementerSettings
        )
        return self.executor.sandbox or ("best-effort" if trusted else "strict")


R = TypeVar("R", bound=Recipe)
# By the folder of their recipes: what runs them, and the sections that no other kind has.
COMMANDS = {
    "search": "ideator-rl search",
    "grpo": "ideator-rl train",
    "eval": "ideator-rl evaluate",
    "sft": "python -m ideator_rl.sft.warm_start",
}
_OWN_SECTIONS = {
    "search": {"ideator", "search", "budget", "confirm"},
    "grpo": {
        "steps",
        "grpo",
        "objective",
        "signal",
        "answer",
        "checkpoint",
        "profile",
        "verl",
    },
    "eval": {"models", "apis", "plugins", "n", "k"},
    "sft": {"data", "training", "running"},
}
# Sections whose keys are those of a problem.toml.
_OF_PROBLEMS = ("problem.", "confirm.problem.")
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def load_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> SearchRecipe:
    """The recipe of a search, see `read_recipe`."""
    return read_recipe(path, SearchRecipe, overrides)


def read_recipe(path: str | Path, kind: type[R], overrides: Mapping[str, Any] | None = None) -> R:
    """Reads a recipe of some kind, at a path or bundled, such as `digits/evolution`.

    `overrides` are dotted keys and their values, texts as YAML.

    The run's name, where none is given, is the recipe's file name and seed. Raises UserError.
    """
    path = find_recipe(path, kind.folder)
    try:
        raw = read_yaml(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys to values")
    for name, value in (overrides or {}).items():
        if not isinstance(name, str):
            raise UserError(f"a key of a recipe must be a text (got {name!r:.80})")
        set_key(raw, name, value)
    env = str(raw.get("env", "")).strip("/").rpartition("/")[2]
    name = path.stem.removeprefix("config_")
    if kind.folder != "search":
        name = f"{kind.folder}-{name}"
    raw.setdefault("run", f"{env}-{name}-seed{raw.get('seed', 0)}")
    try:
        return convert(raw, kind)
    except FieldError as error:
        if (other := _kind_of(raw)) not in (kind.folder, None):
            why = f"this is a recipe of `{COMMANDS[other]}`, and not of `{COMMANDS[kind.folder]}`"
            raise UserError(f"{path}: {why}") from None
        for name in raw.keys() & kind.lacks.keys():
            raise UserError(f"{path}: {name}: {kind.lacks[name]}") from None
        set_here = any(str(error).startswith(f"{name}:") for name in overrides or {})
        raise UserError(f"--{error}" if set_here else f"{path}: {error}") from None


def _kind_of(raw: Mapping[str, Any]) -> str | None:
    """The only kind of recipe that has such sections; None where they fit to several or to none."""
    kinds = [kind for kind, own in _OWN_SECTIONS.items() if own.intersection(raw)]
    return kinds[0] if len(kinds) == 1 else None


def parse_recipe(raw: Mapping[str, Any], where: object) -> SearchRecipe:
    """The recipe of a search, see `as_recipe`."""
    return as_recipe(raw, SearchRecipe, where)


def as_recipe(raw: Mapping[str, Any], kind: type[R], where: object) -> R:
    """Validates a mapping; `where` begins the error's line. Raises UserError."""
    try:
        return convert(raw, kind)
    except FieldError as error:
        raise UserError(f"{where}: {error}") from None


def set_key(raw: dict[str, Any], name: str, value: Any) -> None:
    """Sets a dotted key of a recipe that is not validated yet; a text is YAML. Raises UserError."""
    # The keys of `problem` are themselves dotted: problem.budget.seconds is one of them.
    section = next((s for s in _OF_PROBLEMS if name.startswith(s)), None)
    if section is not None:
        keys = [*section.split(".")[:-1], name.removeprefix(section)]
    else:
        keys = name.split(".")
    for key in keys[:-1]:
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            raise UserError(f"--{name}: {key} is not a section of the recipe")
    if not isinstance(value, str):
        raw[keys[-1]] = value
        return
    try:
        # YAML 1.1 takes 5e-3, without a point, for a text.
        raw[keys[-1]] = float(value) if _EXPONENT.fullmatch(value) else yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--{name}: {value!r} is not a YAML value; quote it") from None
