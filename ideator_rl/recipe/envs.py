"""Several problems in one recipe: `envs` in place of `env`, each by its name or as a section.

envs: [digits, {env: nanogpt-tiny, weight: 2, problem: {budget.seconds: 4}}]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from executor.errors import UserError
from executor.settings import Positive, Scalar, Settings

# What `env` is in a recipe of several problems.
SEVERAL = "several"


class EnvSettings(Settings, frozen=True):
    """One of several problems, of which a list names each once, as `{env: NAME, …}` or by its name
    alone. `weight` is its share beside the other weights; `problem` overrides single fields of its
    problem.toml by dotted name."""

    env: str
    weight: Positive = 1.0
    problem: dict[str, Scalar] = {}


def name_envs(raw: dict[str, Any]) -> None:
    """Makes every problem of a recipe that is not validated yet a section, and names `env`. Raises
    UserError."""
    if not raw.get("envs"):
        return
    # A run keeps its recipe with all keys.
    if raw.get("env", SEVERAL) != SEVERAL:
        raise UserError(_both("env", "names all problems"))
    if raw.get("problem"):
        raise UserError(_both("problem", "has a key `problem` for each"))
    raw["env"] = SEVERAL
    if isinstance(raw["envs"], list):
        raw["envs"] = [{"env": one} if isinstance(one, str) else one for one in raw["envs"]]


def _both(key: str, why: str) -> str:
    return f"{key}: this recipe has `envs`, which {why}; remove one of the two"


def check_envs(envs: Sequence[EnvSettings], where: object) -> None:
    """Refuses a list of one problem; `where` begins the error's line. Raises UserError."""
    if len(envs) == 1:
        raise UserError(f"{where}: envs: it has one problem only; write it as env: {envs[0].env}")
