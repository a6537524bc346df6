"""Who wrote an idea and who its code, as far as a run's recipe and the idea itself tell.

authors = Authors(yaml.safe_load(run.recipe()))
authors.ideator(idea)                     # "claude-…", "library", "org/name", or None
authors.implementer(run.exchange(key))    # None where ideas carry their own edits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from executor.records import Idea, Turn
from ideator_rl.evaluation.recipe import LIBRARY_ROW, model_labels


class Authors:
    """Reads the recipe of any kind of run; one without a recipe says nothing."""

    def __init__(self, recipe: object) -> None:
        self._recipe = recipe if isinstance(recipe, Mapping) else {}

    def ideator(self, idea: Idea) -> str | None:
        """The model that wrote the reply, where the idea says so, else what the recipe names."""
        if isinstance(told := idea.meta.get("model"), str) and told:
            return told
        if "steps" in self._recipe:
            return self._trained()
        if {"models", "apis", "plugins"} & self._recipe.keys():
            return self._row(idea.origin)
        section = _section(self._recipe, "ideator")
        kind = section.get("kind") or ("library" if "search" in self._recipe else None)
        if kind == "checkpoint":
            return _model_name(str(section.get("model", "")))
        named = {"api": _section(section, "llm").get("model"), "plugin": section.get("name")}
        return named.get(str(kind), kind)

    def implementer(self, exchange: Sequence[Turn]) -> str | None:
        """The model that answered last, else what the recipe names."""
        if told := next((turn.model for turn in reversed(exchange) if turn.model), None):
            return told
        section = _section(self._recipe, "implementer")
        named = _section(section, "llm").get("model") or section.get("name")
        return str(named) if named else None

    def _trained(self) -> str | None:
        model = _section(self._recipe, "model")
        if model.get("path"):
            return _model_name(str(model["path"]))
        start = PurePosixPath(str(model.get("warm_start", ""))).stem.removeprefix("config_")
        return f"{start} (warm start)" if start else None

    def _row(self, label: str) -> str | None:
        """The model of an evaluation's row."""
        if label == LIBRARY_ROW:
            return LIBRARY_ROW
        api, plugin = (_section(_section(self._recipe, s), label) for s in ("apis", "plugins"))
        if told := api.get("model") or plugin.get("name"):
            return str(told)
        labels = model_labels(tuple(map(str, self._recipe.get("models") or ())))
        name = next((name for name, its in labels.items() if its == label), label)
        return _model_name(name)


def _model_name(name: str) -> str | None:
    """`org/name` of the hub as it is; of a folder only the part that tells it apart."""
    if not name:
        return None
    is_hub_name = name.count("/") == 1 and name[0] not in "./~" and not Path(name).exists()
    return name if is_hub_name else model_labels((name,))[name]


def _section(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = of.get(name)
    return section if isinstance(section, Mapping) else {}
