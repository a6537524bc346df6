"""Recipes that come with the package: `<env>/<name>` is `<env>/<kind>/config_<name>.yaml`.

find_recipe("digits/evolution", "search")     # from any folder; a path that exists wins
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from executor.errors import UserError

# In a checkout a link to the folder at the top.
FOLDER = Path(__file__).parents[1] / "recipes"


class BundledRecipe(NamedTuple):
    """`kind` is the folder that it lies in, such as `search`; `about` is one line."""

    name: str
    kind: str
    about: str


def find_recipe(name: str | Path, kind: str) -> Path:
    """The file at a path, else the bundled recipe of a name. Raises UserError for neither."""
    if (path := Path(name)).is_file():
        return path
    env, _, own = str(name).partition("/")
    if re.fullmatch(r"[\w-]+/\w+", str(name)):
        path = FOLDER / env.replace("-", "_") / kind / f"config_{own}.yaml"
    if not path.is_file():
        raise UserError(
            f"{name}: no such recipe: there is no such file, and no bundled recipe of the kind "
            f"{kind} with this name; see: ideator-rl recipes"
        )
    return path


def bundled_recipes(kind: str) -> Iterator[BundledRecipe]:
    """The bundled recipes of a kind, by name."""
    for path in sorted(FOLDER.glob(f"*/{kind}/config_*.yaml")):
        name = f"{path.parts[-3]}/{path.stem.removeprefix('config_')}"
        yield BundledRecipe(name, kind, _about(path.read_text()))


def _about(text: str) -> str:
    """The first sentence of the comment that a recipe begins with."""
    comment = re.match(r"(?:# ?\S.*\n)*", text)
    words = re.sub(r"\n?# ?", " ", comment[0] if comment else "").strip()
    return re.split(r"(?<=\.)\s", words, maxsplit=1)[0]
