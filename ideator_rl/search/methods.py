"""The search methods by name, as `search.method` of a recipe names them.

>>> sorted(METHODS)
['best_of_n', 'evolution', 'sequential']

A new one is a module of its own that keeps to the contract in `method.py`, a line here, and a name
in `SearchSettings` of recipes (`ideator_rl/recipe.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ideator_rl.search.best_of_n import best_of_n
from ideator_rl.search.evolution import evolution
from ideator_rl.search.method import Method
from ideator_rl.search.sequential import sequential

METHODS: Mapping[str, Method] = {
    "evolution": evolution,
    "best_of_n": best_of_n,
    "sequential": sequential,
}
