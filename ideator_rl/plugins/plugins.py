"""Parts of other packages, by the name of an entry point or as `package.module:Name`.

    ideator: {kind: plugin, name: my_package.ideas:Mine, options: {depth: 3}}       # in a recipe

    make = load_plugin("ideator", "ideator", "my_package.ideas:Mine", {"depth": 3})
    ideator = open_plugin("ideator", "ideator", settings, problem)

docs/extending.md has an example of each part.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from executor.errors import UserError
from executor.settings import Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Part = Literal["ideator", "implementer", "search", "workers", "objective"]


class Contract(NamedTuple):
    """A part's group of entry points, what it is called with before its own options, and what the
    object that it returns has to have."""

    group: str
    takes: tuple[str, ...]
    has: tuple[str, ...] = ()


CONTRACTS: Mapping[Part, Contract] = {
    "ideator": Contract("ideator_rl.ideators", ("problem",), ("propose", "close")),
    "implementer": Contract(
        "ideator_rl.implementers", ("problem",), ("implement", "repair", "close")
    ),
    "search": Contract("ideator_rl.searches", ("epoch", "size", "history", "baseline", "rng")),
    "workers": Contract(
        "ideator_rl.workers",
        ("problem", "sandbox", "slots"),
        ("slots", "sandbox", "start", "run", "close"),
    ),
    "objective": Contract("ideator_rl.objectives", ("group",)),
}


class PluginSettings(Settings, frozen=True, tag="plugin", tag_field="kind"):
    """A part of another package, see docs/extending.md: `name` is its entry point or
    `package.module:Name`, `options` are its own."""

    name: str
    options: dict[str, Any] = {}


def load_plugin(
    part: Part, where: str, name: str, options: Mapping[str, Any]
) -> Callable[..., Any]:
    """The function or class that a recipe names.

    Args:
        part: what it is to be.
        where: the section of the recipe, which begins an error's line.
        name: an entry point, or `package.module:Name`.
        options: what it will be called with beside `CONTRACTS[part].takes`.

    Raises:
        UserError: there is no such plug-in, it cannot be imported or is no function, or its
            signature admits neither what it is called with nor these options.
    """
    found = _loaded(part, where, name)
    if not callable(found):
        raise UserError(f"{where}.name: {name} is neither a function nor a class")
    takes = CONTRACTS[part].takes
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return found  # some that are written in C have none
    try:
        signature.bind_partial(*takes)
    except TypeError as error:
        told = f"{name} has to take {', '.join(takes)}, and then its options: {error}"
        raise UserError(f"{where}.name: {told}") from error
    try:
        signature.bind(*takes, **options)
    except TypeError as error:
        raise UserError(f"{where}.options: {name}: {error}") from error
    return found


def open_plugin(part: Part, where: str, settings: PluginSettings, *given: object) -> Any:
    """What a plug-in makes of `given`, which stands for `CONTRACTS[part].takes`, and its options.

    Raises UserError as `load_plugin`, and where the plug-in raises or returns another thing.
    """
    make = load_plugin(part, where, settings.name, settings.options)
    try:
        made = make(*given, **settings.options)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except Exception as error:  # whatever a package does
        raise raised(where, settings.name, error) from error
    lacks = [name for name in CONTRACTS[part].has if not hasattr(made, name)]
    if lacks:
        kind = type(made).__name__
        told = f"{settings.name} gave a {kind}, which has no {' and no '.join(lacks)}"
        raise UserError(f"{where}.name: {told}: it is no {part}")
    return made


def raised(where: str, name: str, error: Exception) -> UserError:
    """What a plug-in raised, as the line that ends the run; a UserError is one already."""
    if isinstance(error, UserError):
        return error
    return UserError(f"{where}: the plug-in {name} raised {_told(error)}")


class Installed(NamedTuple):
    """An entry point of an installed package."""

    kind: str
    name: str
    package: str
    version: str
    target: str


def installed() -> list[Installed]:
    """All plug-ins that have an entry point, problems included; nothing is imported."""
    from importlib.metadata import entry_points

    kinds: dict[str, str] = {part: contract.group for part, contract in CONTRACTS.items()}
    kinds["problem"] = "ideator_rl.problems"
    return sorted(
        Installed(
            kind,
            entry.name,
            entry.dist.name if entry.dist else "",
            entry.dist.version if entry.dist else "",
            entry.value,
        )
        for kind, group in kinds.items()
        for entry in entry_points(group=group)
    )


def _loaded(part: Part, where: str, name: str) -> Any:
    entry = _entry(part, where, name)
    try:
        return entry.load()
    except Exception as error:  # whatever a package does when it is imported
        hint = "; install its package, or put its folder on PYTHONPATH"
        hint = hint if isinstance(error, ModuleNotFoundError) else ""
        why = f"{name} cannot be imported: {_told(error)}{hint}"
        raise UserError(f"{where}.name: {why}") from error


def _entry(part: Part, where: str, name: str) -> EntryPoint:
    # Not at the top: most recipes name no plug-in, and it takes its time.
    from importlib.metadata import EntryPoint, entry_points

    group = CONTRACTS[part].group
    if ":" in name:
        entry = EntryPoint(name, name, group)
        if not entry.pattern.match(name):
            raise UserError(f"{where}.name: {name!r:.80} is not of the form package.module:Name")
        return entry
    found = entry_points(group=group)
    targets = sorted({entry.value for entry in found if entry.name == name})
    if not targets:
        known = ", ".join(sorted({entry.name for entry in found})) or "none is"
        raise UserError(
            f"{where}.name: no {part} {name!r:.80} is installed; there: {known}; any other is "
            "named as package.module:Name"
        )
    if len(targets) > 1:
        raise UserError(
            f"{where}.name: several packages have {name!r:.80}; name one of {', '.join(targets)}"
        )
    return EntryPoint(name, targets[0], group)


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
