"""A run keeps which packages its plug-ins came from, in which versions: one record a change.

keep_plugins(run, recipe)       # <run>/plugins/000.json: {"ideator values": "my-research 1.0"}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from executor.settings import to_dict
from executor.store.decisions import StrictRecord
from executor.store.runs import RunFolder
from ideator_rl.plugins.plugins import Part, installed
from ideator_rl.recipe.recipe import Recipe

PLUGINS = "plugins"
UNPACKAGED = "of no installed package"


@dataclass(frozen=True)
class PluginPackages(StrictRecord):
    """By part and name, the package and its version."""

    packages: Mapping[str, str]


def keep_plugins(run: RunFolder, recipe: Recipe) -> None:
    """Keeps where the plug-ins of a recipe come from, unless the last session's were the same."""
    packages = {f"{part} {name}": _package(part, name) for part, name in plugins_of(recipe)}
    if not packages:
        return
    kept = run.kept_numbered(PLUGINS, PluginPackages)
    number = max(kept, default=-1)
    if number < 0 or kept[number].packages != packages:
        run.keep_numbered(PLUGINS, number + 1, PluginPackages(packages))


def plugins_of(recipe: Recipe) -> Iterator[tuple[Part, str]]:
    """The plug-ins that a recipe names, each with what it is."""
    sections: dict[str, Any] = to_dict(recipe)
    sections["workers"] = sections.get("executor", {}).get("workers")
    for part in get_args(Part):
        own = sections.get(part) or {}
        if "plugin" in (own.get("kind"), own.get("method")):
            yield part, own["name"]
    for row in sections.get("plugins", {}).values():
        yield "ideator", row["name"]


def _package(part: Part, name: str) -> str:
    # Not at the top: most runs have no plug-in.
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    if ":" not in name:
        found = [one for one in installed() if (one.kind, one.name) == (part, name)]
        return f"{found[0].package} {found[0].version}" if found else UNPACKAGED
    names = packages_distributions().get(name.split(":")[0].split(".")[0], [])
    try:
        return f"{names[0]} {version(names[0])}" if names else UNPACKAGED
    except PackageNotFoundError:
        return UNPACKAGED
