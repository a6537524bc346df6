"""The recipe of an evaluation: which ideators, on which problem, and how many ideas of each.

    recipe = read_evaluation("recipes/digits/eval/config_qwen3_tiny.yaml", {"n": "16"})
    recipe = read_evaluation(None, {"env": "digits", "models": ["model"], "out": "results"})

Unknown keys are errors. Lengths are in tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from executor.errors import UserError
from executor.llm.settings import LLMSettings, asked_of
from executor.settings import AtLeast1, to_dict
from ideator_rl.ideators.archive_prompts import PromptsSettings
from ideator_rl.ideators.language_model.chat import PromptStyle
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.read import as_recipe, read_recipe, set_key
from ideator_rl.recipe.recipe import ExecutingRecipe
from ideator_rl.recipe.sections import code_model

NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})
BASELINE_ROW, LIBRARY_ROW = "baseline", "library"
API_ROWS, PLUGIN_ROWS = "api:", "plugin:"  # and the name
_RUN = re.compile(r".+/runs/[^/]+/?")
_ROW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Far from the seeds with which searches and training run: what a model learnt by heart about those
# trials, their noise, is no merit here.
_TRIAL_SEEDS = 500_000


class EvaluationRecipe(ExecutingRecipe, frozen=True, kw_only=True):
    """One evaluation: `n` ideas of every model and of the library.

    `models` are checkpoint folders or hub names. `apis` are language models behind an API, by the
    names of their rows; as in a search, they write words, ten ideas a call, and none twice.
    `plugins` are ideators of other packages, by the names of their rows, each with the keys `name`
    and `options` of a search's `ideator` of the kind `plugin`.
    `k`: for which numbers of ideas the best of k is reported, by default 1, 4, 16, … up to `n`.
    `prompt` and `max_tokens`: by default what a model's own folder says, see
    `ideators/language_model/model_folder.py`. `prompts` are those of training; the ideas that they
    show models are chosen from the run `archive`, STORE/runs/RUN, when the evaluation begins.
    `out`: where ideas, figures and page go, by default the run's folder.
    """

    folder: ClassVar[str] = "eval"
    determining: ClassVar[tuple[str, ...]] = ("implementer",)

    models: tuple[str, ...] = ()
    apis: dict[str, LLMSettings] = {}
    plugins: dict[str, PluginSettings] = {}
    n: AtLeast1 = 64
    k: tuple[AtLeast1, ...] = ()
    prompt: PromptStyle | None = None
    prompts: PromptsSettings = PromptsSettings()
    archive: str | None = None
    max_tokens: AtLeast1 | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] = 1.0
    out: str | None = None

    @property
    def out_url(self) -> str:
        return self.out or f"{self.store}/runs/{self.run}"

    @property
    def trial_seed(self) -> int:
        """The seed of every idea's trial; the baseline runs on this and the ones after it."""
        return _TRIAL_SEEDS + self.seed

    @property
    def sizes(self) -> tuple[int, ...]:
        """`k`, ascending; where none are given, the powers of 4 up to `n`."""
        powers = (4**exponent for exponent in range(self.n.bit_length()))
        return tuple(sorted(set(self.k))) or tuple(power for power in powers if power <= self.n)

    def science(self) -> dict[str, Any]:
        kept = to_dict(self)
        named = (
            "store",
            "models",
            "n",
            "prompt",
            "prompts",
            "archive",
            "max_tokens",
            "temperature",
        )
        own = {name: kept[name] for name in named}
        own |= {f"apis.{name}": asked_of(llm) for name, llm in kept["apis"].items()}
        own |= {f"plugins.{name}": settings for name, settings in kept["plugins"].items()}
        seeds = self.executor.baseline_seeds
        return super().science() | own | {"k": list(self.sizes), "executor.baseline_seeds": seeds}


def read_evaluation(
    path: str | None, values: Mapping[str, Any], overrides: Mapping[str, str] = NO_OVERRIDES
) -> EvaluationRecipe:
    """Reads a recipe, or makes one of `values` alone; they and the dotted `overrides`, which are
    YAML, set keys. Raises UserError.

    Where `values` have an `out` of the form STORE/runs/RUN and no `store`, everything lies there;
    any other `out` gives the run its name.
    """
    given = {name: json.dumps(value) for name, value in (_placed(values) | dict(values)).items()}
    given |= overrides
    where = path or "evaluate"
    if path is not None:
        recipe = read_recipe(path, EvaluationRecipe, given)
    else:
        raw: dict[str, Any] = {}
        for name, value in given.items():
            set_key(raw, name, value)
        env = str(raw.get("env", "")).strip("/").rpartition("/")[2]
        raw.setdefault("run", f"{env}-eval-seed{raw.get('seed', 0)}")
        recipe = as_recipe(raw, EvaluationRecipe, where)
    if max(recipe.sizes) > recipe.n:
        raise UserError(
            f"{where}: k: the best of {max(recipe.sizes)} takes at least as many ideas, and n is "
            f"{recipe.n}; raise n or lower k"
        )
    _check_rows(recipe, where)
    for name in recipe.models:
        if recipe.models.count(name) > 1:
            raise UserError(f"{where}: models: {name} is there twice")
        if name in (BASELINE_ROW, LIBRARY_ROW):
            raise UserError(f"{where}: models: {name} is a row of its own; write ./{name}")
    return recipe


def _check_rows(recipe: EvaluationRecipe, where: str) -> None:
    if (recipe.prompts.kind == "fixed") is not (recipe.archive is None):
        raise UserError(
            f"{where}: archive: prompts of the kinds random, best and puct show ideas of this run, "
            "and fixed ones none: set both keys, or none"
        )
    if recipe.archive is not None and not _RUN.fullmatch(recipe.archive):
        raise UserError(
            f"{where}: archive: {recipe.archive!r:.150} is not of the form STORE/runs/RUN"
        )
    if not (recipe.models or recipe.apis or recipe.plugins):
        raise UserError(
            f"{where}: models: name at least one, or a language model under apis, or an ideator "
            "under plugins"
        )
    if recipe.apis and not code_model(recipe.implementer):
        raise UserError(
            f"{where}: apis: they write ideas in words, which take a language model to implement: "
            "set implementer.kind: llm"
        )
    labels = {BASELINE_ROW, LIBRARY_ROW, *model_labels(recipe.models).values()}
    for section, names in (("apis", recipe.apis), ("plugins", recipe.plugins)):
        for name in names:
            if not _ROW_NAME.fullmatch(name) or name in labels:
                raise UserError(
                    f"{where}: {section}: {name!r:.80} names no row of its own: use up to 64 "
                    "letters, digits, `.`, `-` and `_`, and no other row's name"
                )
            labels.add(name)


def row_labels(recipe: EvaluationRecipe) -> dict[str, str]:
    """By row of the samples, models first, how it is called."""
    apis = {f"{API_ROWS}{name}": name for name in recipe.apis}
    plugins = {f"{PLUGIN_ROWS}{name}": name for name in recipe.plugins}
    return model_labels(recipe.models) | apis | plugins


def model_labels(models: tuple[str, ...]) -> dict[str, str]:
    """By model, how its row is called: the shortest end of its path that tells it from the others.

    A last part `model`, as training names what it exports, says nothing and is left out.
    """
    parts = {name: [p for p in PurePosixPath(name).parts if p != "/"] for name in models}
    for name, path in parts.items():
        if len(path) > 1 and path[-1] == "model":
            parts[name] = path[:-1]
    labels = {}
    for name, path in parts.items():
        others = [other for key, other in parts.items() if key != name]
        ends = (path[-length:] for length in range(1, len(path) + 1))
        found = next((e for e in ends if all(o[-len(e) :] != e for o in others)), None)
        label = "/".join(found) if found else name
        labels[name] = f"./{label}" if label in (BASELINE_ROW, LIBRARY_ROW) else label
    return labels


def _placed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Store and run, where `out` names a run's folder or gives the run its name."""
    out = str(values.get("out") or "").rstrip("/")
    store, found, run = out.rpartition("/runs/")
    if found and "/" not in run and "store" not in values:
        return {"store": store, "run": run}
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.rpartition("/")[2]).strip(".-")
    return {"run": name} if name else {}
