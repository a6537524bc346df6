"""Reads recipes: what to run, as YAML; every key can be set on the command line.

>>> path = "recipes/digits/search/config_evolution.yaml"
>>> load_recipe(path, {"budget.ideas": "40"}).budget.ideas
40
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from executor.errors import UserError
from executor.settings import (
    FieldError,
    convert,
)
from ideator_rl.recipe.bundled import COMMANDS, find_recipe
from ideator_rl.recipe.envs import name_envs
from ideator_rl.recipe.recipe import Recipe, SearchRecipe
from ideator_rl.yaml_text import read_yaml

R = TypeVar("R", bound=Recipe)
# By the folder of their recipes, the sections that no other kind has.
_OWN_SECTIONS = {
    "search": {"ideator", "search", "budget", "confirm"},
    "grpo": {
        "steps",
        "grpo",
        "objective",
        "signal",
        "imitation",
        "entropy_hold",
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
    in_file = set(raw)
    for name, value in (overrides or {}).items():
        if not isinstance(name, str):
            raise UserError(f"a key of a recipe must be a text (got {name!r:.80})")
        set_key(raw, name, value)
    if "envs" in kind.__struct_fields__:
        try:
            name_envs(raw)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
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
        for name in (raw.keys() & kind.lacks.keys()).difference(kind.__struct_fields__):
            raise UserError(f"{path}: {name}: {kind.lacks[name]}") from None
        raise UserError(
            f"--{error}" if _is_of(str(error), overrides or {}, in_file) else f"{path}: {error}"
        ) from None


def _is_of(error: str, overrides: Mapping[str, Any], in_file: Collection[str]) -> bool:
    """Whether what is wrong was set by an override, itself or all of its section."""
    if error.startswith(tuple(f"{name}{end}" for name in overrides for end in ":[")):
        return True
    section = error.partition(":")[0].partition(".")[0]
    return section not in in_file and any(name.partition(".")[0] == section for name in overrides)


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
