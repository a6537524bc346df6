"""The kind of an idea, by its code alone: a setting of the baseline, or another algorithm.

    >>> change = change_of({"train.py": "lr = 0.1\\n"}, {"train.py": "lr = 0.3  # bolder\\n"})
    >>> change.kind, change.added, change.removed
    ('setting', 1, 1)

- `unchanged`: what differs is comments, formatting, docstrings, type annotations, or nothing.
- `setting`: every changed file has the same shape (`python_shape.py`), and where a hole of it
  differs, a literal or an option stood there, and a literal or an option of the baseline takes its
  place; a keyword argument becomes one that the baseline has. An option is a name, alone or behind
  dots, that ends in one of `Shape.options` and that the baseline reads somewhere. In a TOML, YAML
  or JSON file, the values differ and no key.
- `algorithm`: anything else: a statement more or less, another operator, call or variable, a new
  or removed file, another text file that differs.
- `unreadable`: a changed Python or configuration file that cannot be parsed. What it changes
  besides does not matter: it cannot run.

The rule is exact and knows no intent: a statement that only scales a setting is an algorithm.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

import yaml

from executor.edits.lines import changed_ranges
from executor.edits.work import at_most
from ideator_rl.analysis.python_shape import Hole, Shape, shape_of

Kind = Literal["setting", "algorithm", "unchanged", "unreadable"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The kind of an idea is the last of its files' kinds.
_RISING: tuple[Kind, ...] = ("unchanged", "setting", "algorithm", "unreadable")
_MOST_WORK = 1_000_000
_LONGEST_CONFIG = 100_000


@dataclass(frozen=True)
class Change:
    """The kind of a change, and its size in lines."""

    kind: Kind
    added: int
    removed: int


def change_of(baseline: Mapping[str, str], files: Mapping[str, str]) -> Change:
    """How a patched codebase differs from the baseline; both are path to text."""
    changed = [
        path for path in sorted({*baseline, *files}) if baseline.get(path) != files.get(path)
    ]
    kinds = [_kind(path, baseline, files) for path in changed]
    sizes = [_lines_changed(baseline.get(path, ""), files.get(path, "")) for path in changed]
    return Change(
        max(kinds, key=_RISING.index, default="unchanged"),
        sum(added for added, _ in sizes),
        sum(removed for _, removed in sizes),
    )


def _kind(path: str, baseline: Mapping[str, str], files: Mapping[str, str]) -> Kind:
    suffix = PurePosixPath(path).suffix
    if path not in files:
        return "algorithm"
    try:
        if suffix == ".py":
            after = shape_of(files[path])
            return _python_kind(path, baseline, after) if path in baseline else "algorithm"
        if read := _READERS.get(suffix):
            data = _read(read, files[path])
            if path not in baseline:
                return "algorithm"
            before = _read(read, baseline[path])
            if repr(before) == repr(data):
                return "unchanged"
            return "setting" if _keys(before) == _keys(data) else "algorithm"
    except (ValueError, SyntaxError, RecursionError, yaml.YAMLError):
        return "unreadable"
    return "algorithm"


def _python_kind(path: str, baseline: Mapping[str, str], after: Shape) -> Kind:
    before = shape_of(baseline[path])
    if before.form != after.form:
        return "algorithm"
    pairs = [pair for pair in zip(before.holes, after.holes, strict=True) if pair[0] != pair[1]]
    if not pairs:
        return "unchanged"
    known = list(_shapes(baseline))
    options = frozenset[str]().union(*(shape.options for shape in known))
    read = {hole for shape in known for hole in shape.holes if hole.kind != "literal"}

    def is_choice(hole: Hole) -> bool:
        return hole.kind == "literal" or (
            hole in read and (hole.kind == "keyword" or hole.text.rpartition(".")[2] in options)
        )

    return (
        "setting" if all(map(is_choice, (hole for pair in pairs for hole in pair))) else "algorithm"
    )


def _shapes(files: Mapping[str, str]) -> Iterator[Shape]:
    """Those of the Python files that can be read."""
    for path, text in files.items():
        if path.endswith(".py"):
            try:
                yield shape_of(text)
            except SyntaxError:
                continue


def _lines_changed(before: str, after: str) -> tuple[int, int]:
    """Lines added and removed."""
    with at_most(_MOST_WORK):
        ranges = changed_ranges(before.splitlines(), after.splitlines())
    return sum(b2 - b1 for _, _, b1, b2 in ranges), sum(a2 - a1 for a1, a2, _, _ in ranges)


# ---- configuration files


class _PlainLoader(yaml.SafeLoader):
    """Without aliases, with which a short text can stand for endless data."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


_READERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": lambda text: yaml.load(text, _PlainLoader),
    ".yml": lambda text: yaml.load(text, _PlainLoader),
}


def _read(read: Callable[[str], Any], text: str) -> Any:
    if len(text) > _LONGEST_CONFIG:
        raise ValueError(f"more than {_LONGEST_CONFIG:,} characters")
    return read(text)


def _keys(data: Any) -> Any:
    """The keys of mappings, wherever they are; a list without any mapping is a value."""
    if isinstance(data, Mapping):
        return {str(key): _keys(value) for key, value in data.items()}
    if isinstance(data, list) and any(isinstance(part, Mapping | list) for part in data):
        return [_keys(part) for part in data]
    return None
