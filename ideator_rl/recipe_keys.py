"""Every key of every recipe as a page, from the types that read them: docs/recipes.md.

python -m ideator_rl.recipe_keys > docs/recipes.md
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta

from executor.settings import Settings, members
from ideator_rl.evaluation.recipe import EvaluationRecipe
from ideator_rl.recipe.bundled import COMMANDS
from ideator_rl.recipe.recipe import Recipe, SearchRecipe
from ideator_rl.rl.train_recipe import TrainRecipe
from ideator_rl.sft.recipe import WarmStartRecipe
from ideator_rl.terminal.terminal import say

KINDS: tuple[type[Recipe], ...] = (SearchRecipe, TrainRecipe, WarmStartRecipe, EvaluationRecipe)
_COMMON = """\
`env` names the problem, and `problem` overrides single keys of its problem.toml by dotted name.
Everything lands in the run `run` of the store `store`, a folder or a URL."""
_HEADER = "| key | value | by default |\n| --- | --- | --- |\n"
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def page() -> str:
    """The page in Markdown."""
    parts = [
        "# Every key of every recipe\n\n"
        "Written by `python -m ideator_rl.recipe_keys` from the types that read recipes. A key is\n"
        "set in the file or, dotted as below, on the command line: `--budget.ideas 40`. Unknown\n"
        "keys are errors.\n"
    ]
    for kind in KINDS:
        parts.append(f"\n## `{COMMANDS[kind.folder]}`: recipes/&lt;env&gt;/{kind.folder}\n")
        parts += _sections(kind, "", f"{_about(kind)}\n\n{_COMMON}")
    return "".join(parts)


def _sections(kind: type[Settings], prefix: str, about: str) -> Iterator[str]:
    """A section's text and table of keys, then the sections in it."""
    hints, inner, rows = get_type_hints(kind, include_extras=True), [], ""
    for field in msgspec.structs.fields(kind):
        name, hint = prefix + field.encode_name, hints[field.name]
        parts = [part for part in members(hint) if _is_section(part)]
        inner += [(name, part) for part in parts]
        if not parts:
            rows += f"| `{name}` | {_words(hint)} | {_default(field)} |\n"
        elif len(parts) > 1:
            tags = ", ".join(f"`{part.__struct_config__.tag}`" for part in parts)
            rows += f"| `{name}.kind` | {tags} | {_default(field)} |\n"
    yield f"\n{about}\n"
    if rows:
        yield f"\n{_HEADER}{rows}"
    for name, part in inner:
        tag = part.__struct_config__.tag
        yield f"\n### `{name}`{f' of the kind `{tag}`' if tag else ''}\n"
        yield from _sections(part, f"{name}.", _about(part))


def _about(kind: type[Settings]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").strip()


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def _words(hint: Any) -> str:
    """A type as a person writes it: `int ≥ 1`, `wall` or `cpu`."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        bounds = [
            f"{sign} {_number(getattr(note, name))}"
            for note in notes
            if isinstance(note, Meta)
            for name, sign in _BOUNDS.items()
            if getattr(note, name) is not None
        ]
        return " ".join([_words(kind), ", ".join(bounds)]).strip()
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {_words(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "mapping"
    return getattr(hint, "__name__", str(hint))


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is NODEFAULT and field.default_factory is not NODEFAULT:
        value = field.default_factory()
    if value is NODEFAULT:
        return "required"
    if isinstance(value, Settings):
        value = type(value).__struct_config__.tag
    if value is None or value in ((), {}):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    say(page().rstrip("\n"))
