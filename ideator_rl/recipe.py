"""Recipes: what to run, as YAML; every key can be set on the command line.

    recipe = load_recipe("recipes/digits/search/config_evolution.yaml", {"budget.ideas": "40"})

Unknown keys are errors. Seconds are wall seconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from executor.errors import UserError, one_line


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdeatorSettings(Section):
    """`library` recombines the problem's own ideas: the embedded baseline, no language model."""

    kind: Literal["library"] = "library"


class SearchSettings(Section):
    """Which algorithm, and how many ideas it proposes at a time (`sequential`: always one)."""

    method: Literal["evolution", "best_of_n", "sequential"] = "evolution"
    epoch_size: int = Field(8, ge=1)


class BudgetSettings(Section):
    """What the run may use, resumed sessions included; the baseline's trials are extra."""

    ideas: int = Field(24, ge=1)
    seconds: float | None = Field(None, gt=0)


class ExecutorSettings(Section):
    """`slots`: trials at a time, by default as many as the cores allow."""

    slots: int | None = Field(None, ge=1)
    period_s: float = Field(10.0, gt=0)
    baseline_seeds: int = Field(3, ge=1)


class TrackingSettings(Section):
    """`wandb` needs the extra of that name; WANDB_MODE=offline needs no account."""

    kind: Literal["none", "wandb"] = "none"
    project: str = "ideator-rl"


class SearchRecipe(Section):
    """One search. `problem` overrides single fields of problem.toml by dotted name."""

    env: str
    run: str
    store: str = "store"
    seed: int = Field(0, ge=0)
    problem: dict[str, bool | int | float | str] = {}
    ideator: IdeatorSettings = IdeatorSettings()
    search: SearchSettings = SearchSettings()
    budget: BudgetSettings = BudgetSettings()
    executor: ExecutorSettings = ExecutorSettings()
    tracking: TrackingSettings = TrackingSettings()

    def science(self) -> dict[str, Any]:
        """What may not change when a run is resumed; budget, slots and tracking may."""
        return self.model_dump(include={"env", "seed", "problem", "ideator", "search"})

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(), sort_keys=False)


def load_recipe(path: str | Path, overrides: Mapping[str, str] | None = None) -> SearchRecipe:
    """Reads a recipe; `overrides` are dotted keys and YAML values.

    The run's name, where none is given, is the recipe's file name and seed. Raises UserError.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such recipe; they live at recipes/<env>/search/config_*.yaml")
    try:
        raw = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys to values")
    for name, value in (overrides or {}).items():
        _set(raw, name, value)
    env = str(raw.get("env", "")).strip("/").rpartition("/")[2]
    method = path.stem.removeprefix("config_")
    raw.setdefault("run", f"{env}-{method}-seed{raw.get('seed', 0)}")
    return parse_recipe(raw, path)


def parse_recipe(raw: Mapping[str, Any], where: object) -> SearchRecipe:
    """Validates a mapping; `where` begins the error's line. Raises UserError."""
    try:
        return SearchRecipe.model_validate(raw)
    except ValidationError as error:
        line = one_line(error)
        if "unknown key" in line:
            line += _suggestion(line.partition(":")[0])
        raise UserError(f"{where}: {line}") from None


def _set(raw: dict[str, Any], name: str, value: str) -> None:
    # The keys of `problem` are themselves dotted: problem.budget.seconds is one of them.
    if name.startswith("problem."):
        keys = ["problem", name.removeprefix("problem.")]
    else:
        keys = name.split(".")
    for key in keys[:-1]:
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            raise UserError(f"--{name}: {key} is not a section of the recipe")
    try:
        raw[keys[-1]] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--{name}: {value!r} is not a YAML value; quote it") from None


def _suggestion(field: str) -> str:
    close = difflib.get_close_matches(field, known_keys(SearchRecipe), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def known_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every dotted key of a recipe."""
    keys = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += known_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys
