"""What a recipe says, whatever kind it is of, and what one of a search says.

    >>> SearchRecipe(env="digits", run="first").search.method
    'evolution'

Unknown keys are errors. Seconds are wall seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import yaml

from executor.llm.settings import asked_of
from executor.sandbox import Level
from executor.settings import (
    Scalar,
    Seed,
    Settings,
    to_dict,
)
from ideator_rl.recipe.sections import (
    BudgetSettings,
    ConfirmSettings,
    DirectImplementerSettings,
    ExecutorSettings,
    IdeatorSettings,
    ImplementerSettings,
    LibraryIdeatorSettings,
    SearchSettings,
    TrackingSettings,
)


class Recipe(Settings, frozen=True):
    """What every recipe says: the problem, and the run of a store that it fills.

    `problem` overrides single fields of problem.toml by dotted name. `folder` is where recipes of
    the kind live, `recipes/<env>/<folder>/config_*.yaml`; `determining` are the sections that say
    what is found out, the others only how fast and how far; `lacks` says of sections of other
    kinds why this one has none.
    """

    folder: ClassVar[str]
    determining: ClassVar[tuple[str, ...]]
    lacks: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"envs": "only trainings and warm starts have several problems; name one as env"}
    )

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
            for key, value in (keys or {}).items()
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
    def base_key(self) -> str:
        """The key by which ideas may change other codebases than the baseline; empty where they
        may not."""
        return ""

    @property
    def changes_parents(self) -> bool:
        return bool(self.base_key)


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
    def base_key(self) -> str:
        return "search.base" if self.search.base == "parent" else ""

    @property
    def sandbox(self) -> Level:
        trusted = isinstance(self.ideator, LibraryIdeatorSettings) and isinstance(
            self.implementer, DirectImplementerSettings
        )
        return self.executor.sandbox or ("best-effort" if trusted else "strict")
