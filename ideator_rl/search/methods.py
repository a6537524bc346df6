"""The search methods by name, as `search.method` of a recipe names them.

>>> sorted(METHODS)
['best_of_n', 'evolution', 'islands', 'sequential']

One of ours is a module that keeps to the contract in `method.py`, a line here, and a name in
`SearchSettings` of recipes (`ideator_rl/recipe/sections.py`); one of another package is a plug-in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import get_args

from executor.errors import UserError
from ideator_rl.ideators.ideator import Executed, Mode
from ideator_rl.plugins.plugins import load_plugin, raised
from ideator_rl.recipe.sections import SearchSettings
from ideator_rl.search.best_of_n import best_of_n
from ideator_rl.search.evolution import evolution
from ideator_rl.search.islands import islands
from ideator_rl.search.method import Method, Part
from ideator_rl.search.sequential import sequential

METHODS: Mapping[str, Method] = {
    "evolution": evolution,
    "best_of_n": best_of_n,
    "sequential": sequential,
    "islands": islands,
}
# Methods whose history has the changes of the code: each is a file to read from the store.
READ_CODE = ("islands", "plugin")
_OF_ISLANDS = ("islands", "migrate_every", "explore")


def open_method(settings: SearchSettings) -> Method:
    """The method of a search. Raises UserError where a plug-in is not there, or is no method."""
    if settings.history and settings.base == "parent":
        raise UserError(
            "search.history: the code of other runs' ideas is not here to be changed: remove it, "
            "or search.base: parent"
        )
    if settings.method != "plugin":
        if settings.name or settings.options:
            raise UserError("search.name, search.options: only of the method plugin; remove them")
        own = {key: getattr(settings, key) for key in _OF_ISLANDS}
        if settings.method == "islands":
            return partial(islands, **own)
        for key, value in own.items():
            if value != getattr(SearchSettings(), key):
                raise UserError(f"search.{key}: only of the method islands; remove it")
        return METHODS[settings.method]
    if not settings.name:
        raise UserError("search.name: required with the method plugin, but missing")
    name, options = settings.name, settings.options
    found = load_plugin("search", "search", name, options)

    def method(
        epoch: int, size: int, history: Sequence[Executed], baseline: float, rng: Random, /
    ) -> Sequence[Part]:
        try:
            parts = list(found(epoch, size, history, baseline, rng, **options))
        except Exception as error:  # whatever a package does
            raise raised("search", name, error) from error
        if wrong := _wrong(parts, size):
            raise UserError(f"search: the plug-in {name} {wrong}")
        return parts

    return method


def _wrong(parts: Sequence[object], size: int) -> str:
    """What a list of parts has that an epoch of so many ideas cannot; empty if nothing."""
    asked = 0
    for part in parts:
        if not isinstance(part, Part):
            kind = type(part).__name__
            return f"gave a {kind} for a part of an epoch; see ideator_rl.search.Part"
        if part.mode not in get_args(Mode):
            return f"asked for ideas of the mode {part.mode!r:.80}; {get_args(Mode)} exist"
        if type(part.count) is not int or part.count < 1:
            return f"asked for {part.count!r:.80} ideas; leave out a part without any"
        if part.mode == "exploit" and not part.history:
            return "asked to exploit an empty history"
        if part.parent is not None and not (
            isinstance(part.parent, Executed) and part.parent.outcome.completed
        ):
            return "named a parent that is no completed idea of the history"
        asked += part.count
    return f"asked for {asked} ideas of an epoch of {size}" if asked > size else ""
