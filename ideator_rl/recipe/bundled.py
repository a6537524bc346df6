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
# What runs the recipes of a folder.
COMMANDS = {
    "search": "ideator-rl search",
    "grpo": "ideator-rl train",
    "eval": "ideator-rl evaluate",
    "sft": "python -m ideator_rl.sft.warm_start",
}


class BundledRecipe(NamedTuple):
    """`kind` is the folder that it lies in, such as `search`; `about` is one line."""

    name: str
    kind: str
    about: str


def find_recipe(name: str | Path, kind: str) -> Path:
    """The file at a path, else the bundled recipe of a name. Raises UserError for neither."""
    if (path := Path(name)).is_file():
        return path
    paths: dict[str, Path] = {}
    if re.fullmatch(r"[\w-]+/\w+", str(name)):
        env, _, own = str(name).replace("-", "_").partition("/")
        paths = {one: FOLDER / env / one / f"config_{own}.yaml" for one in COMMANDS}
    there = {one: path for one, path in paths.items() if path.is_file()}
    if kind in there:
        return there[kind]
    command = COMMANDS[kind]
    if there:
        others = " or ".join(f"`{COMMANDS[one]}`" for one in there)
        raise UserError(f"{name}: this is a recipe of {others}, and not of `{command}`")
    raise UserError(
        f"{name}: no such recipe: there is no such file, and none of this name is bundled; "
        "see: ideator-rl recipes"
    )


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
