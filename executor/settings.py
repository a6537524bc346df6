"""Typed, frozen settings out of TOML and YAML: unknown keys are errors that name the key.

>>> class Limit(Settings):
...     seconds: Positive
>>> convert({"seconds": -1}, Limit)
Traceback (most recent call last):
executor.settings.FieldError: seconds: expected `float` > 0.0 (got -1)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T")

# The upper bound refuses infinity.
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]
AtLeast0 = Annotated[int, Meta(ge=0)]
AtLeast1 = Annotated[int, Meta(ge=1)]
# What generators of random numbers take, and what one machine or cluster can have.
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
MOST_SLOTS = 4096
Slots = Annotated[int, Meta(ge=1, le=MOST_SLOTS)]
Scalar = bool | int | float | str


# Where msgspec found a mistake: in a field, or in a key of a mapping.
_PLACE = re.compile(r" - at `(key` in `)?\$(.*)`")
# A number in a list, or a key.
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of settings."""


class FieldError(ValueError):
    """What is wrong with which field, in one line."""


def convert(raw: object, kind: type[T]) -> T:
    """`raw`, made of dictionaries and lists, as a `kind`. Raises FieldError."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        place = _PLACE.search(message)
        field = place[2].removeprefix(".").replace("[...]", "") if place else ""
        if place and place[1]:
            raise FieldError(_wrong_key(field, _value_at(raw, field))) from None
        message = message[: place.start()] if place else message
        raise FieldError(_one_line(message, field, raw, kind)) from None


def to_dict(settings: Settings) -> dict[str, Any]:
    """The settings as dictionaries and lists."""
    return msgspec.to_builtins(settings)


def known_keys(kind: object, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a Settings class, with that which tells kinds of a section apart; none
    for other types."""
    if isinstance(kind, type) and issubclass(kind, Settings):
        if tag := kind.__struct_config__.tag_field:
            yield prefix + tag
        for field in msgspec.structs.fields(kind):
            yield prefix + field.encode_name
            for part in members(field.type):
                yield from known_keys(part, f"{prefix}{field.encode_name}.")


def members(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or what a list holds; any other type is its only one."""
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
        return members(get_args(kind)[0])
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _one_line(message: str, field: str, raw: object, kind: object) -> str:
    quoted = message.split("`")[1] if "`" in message else ""
    inner = f"{field}.{quoted}" if field else quoted
    if message.startswith("Object contains unknown field"):
        known = set(known_keys(kind))
        close = difflib.get_close_matches(inner, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "remove it"
        if inner in known:
            hint = "it belongs to another kind of section"
        return f"{inner}: unknown key; {hint}"
    if message.startswith("Object missing required field"):
        return f"{inner}: required, but missing"
    value = _value_at(raw, field)
    if choices := _choices(kind, field):
        return f"{field}: expected one of {', '.join(choices)} (got {value!r})"
    got = "" if value is None else f" (got {value!r:.80})"
    return f"{field or 'top level'}: {message[:1].lower()}{message[1:]}{got}"


def _wrong_key(field: str, section: object) -> str:
    keys = section if isinstance(section, Mapping) else ()
    got = "".join(f" (got {key!r:.80})" for key in keys if not isinstance(key, str))
    return f"{field or 'top level'}: a key must be a text{got}"


def _value_at(raw: object, field: str) -> object:
    """What stands at a place such as `model.path` or `envs[1].weight`; None for nothing."""
    for number, key in _PART.findall(field):
        if number:
            raw = raw[int(number)] if isinstance(raw, list) else None
        else:
            raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _choices(kind: object, field: str) -> list[str]:
    """The values of a field that is a Literal, or that tells sections apart; empty for others."""
    kinds = [kind]
    for key in filter(None, field.split(".")):
        kinds = [part for section in kinds for part in _field_kinds(section, key)]
    return [str(v) for part in kinds if get_origin(part) is Literal for v in get_args(part)]


def _field_kinds(section: object, key: str) -> tuple[object, ...]:
    if not (isinstance(section, type) and issubclass(section, Settings)):
        return ()
    if section.__struct_config__.tag_field == key:
        return (Literal[section.__struct_config__.tag],)
    return members(get_type_hints(section).get(key))
