"""Which runs can be compared, and which are the same but for their seed.

    found = compare([load_run(run) for run in runs])
    found.groups[0].name, len(found.groups[0].runs), found.left_out

Rewards are comparable where the problem is the same, in the same version: that covers its rules,
its codebase, its examination and its data, and with them the secret of the machine.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ideator_rl.analysis.run_data import RunData
from ideator_rl.analysis.shown_text import clean

# What tells runs of one recipe apart, and what changes no idea.
_OWN = ("run", "seed", "store", "tracking", "executor")
_SEED = re.compile(r"[-_.]?seed[-_.]?\d+")


@dataclass(frozen=True)
class Group:
    """Runs of one recipe that differ by their seed, or a single run; `about` says what it is."""

    name: str
    about: str
    runs: tuple[RunData, ...]


@dataclass(frozen=True)
class Comparison:
    """Groups that are comparable, in the order of their first runs; `left_out` are the other runs,
    each with one line that says why."""

    groups: tuple[Group, ...]
    left_out: tuple[tuple[RunData, str], ...]

    @property
    def runs(self) -> tuple[RunData, ...]:
        return tuple(run for group in self.groups for run in group.runs)


def compare(runs: Sequence[RunData]) -> Comparison:
    """What most of the runs are about is compared; the first ones decide where it is undecided."""
    kinds = Counter(_measured_on(run) for run in runs if not _no_search(run))
    about = max(kinds, key=lambda kind: kinds[kind], default=None)
    left_out = [(run, why) for run in runs if (why := _why_not(run, about))]
    groups: dict[str, list[RunData]] = {}
    for run in runs:
        if not _why_not(run, about):
            groups.setdefault(_recipe_key(run), []).append(run)
    return Comparison(
        tuple(Group(_name(own), described(own[0]), tuple(own)) for own in groups.values()),
        tuple(left_out),
    )


def described(run: RunData) -> str:
    """What a run is, in some words: its method, and who wrote its ideas."""
    recipe = _recipe(run)
    if "search" in recipe:
        search, ideator = _section(recipe, "search"), _section(recipe, "ideator")
        who = _section(ideator, "llm").get("model") or ideator.get("model") or ideator.get("name")
        method = search.get("name") or search.get("method") or "evolution"
        words = ("search", method, who or ideator.get("kind") or "library")
    elif "steps" in recipe:
        objective, model = _section(recipe, "objective"), _section(recipe, "model")
        kind = objective.get("name") or objective.get("kind") or "grpo"
        words = ("training", kind, model.get("path") or model.get("warm_start") or "")
    else:
        return "training" if run.steps else "ideas executed"
    kind, *others = (_short(str(word)) for word in words if word)
    return clean(f"{kind}: {', '.join(others)}")


def _short(name: str) -> str:
    """The last part of a path or of a model's name."""
    last = name.rstrip("/").rpartition("/")[2]
    return last.removeprefix("config_").removesuffix(".yaml")


def _measured_on(run: RunData) -> tuple[str, str]:
    return (run.problem, run.start.version) if run.start else ("", "")


def _no_search(run: RunData) -> str:
    """Why a run is nothing to be compared, whatever it is about."""
    if run.parts:
        names = ", ".join(clean(part.name) for part in run.parts)
        return f"it is a training on several problems; name the runs of its problems: {names}"
    if run.start is None:
        return "nothing has been executed in it"
    if run.winners_of:
        return f"it confirms the winners of {clean(run.winners_of)} and has no ideas of its own"
    return "" if run.ideas else "none of its ideas has ended"


def _why_not(run: RunData, about: tuple[str, str] | None) -> str:
    if why := _no_search(run):
        return why
    problem, version = _measured_on(run)
    if about is None or (problem, version) == about:
        return ""
    if problem != about[0]:
        return f"it is about another problem: {problem}, and not {about[0]}"
    return (
        f"it was measured on another version of {problem}: rules, codebase, data or secret differ"
    )


def _recipe_key(run: RunData) -> str:
    recipe = _recipe(run)
    if not recipe:
        return f"run {run.name}"
    science = {name: value for name, value in recipe.items() if name not in _OWN}
    return json.dumps(science, sort_keys=True, default=str)


def _recipe(run: RunData) -> Mapping[str, Any]:
    try:
        recipe = yaml.safe_load(run.recipe)
    except yaml.YAMLError:
        recipe = None
    return recipe if isinstance(recipe, dict) else {}


def _section(recipe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = recipe.get(name)
    return section if isinstance(section, dict) else {}


def _name(runs: Sequence[RunData]) -> str:
    if len(runs) == 1:
        return clean(runs[0].name)
    plain = dict.fromkeys(_SEED.sub("", run.name) for run in runs)
    first = clean(next(iter(plain)) or runs[0].name)
    return f"{first}, {len(runs)} seeds" if len(plain) == 1 else f"{first} and {len(runs) - 1} more"
