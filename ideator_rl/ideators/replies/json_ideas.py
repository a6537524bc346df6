"""Ideas in a text that is JSON, or has JSON in it: objects with the labels of an idea as keys.

    >>> read_json('[{"experiment": "Steps are small.", "code_changes": "Double them."}]')
    [Draft(...)]

What is found is written down with labels and read as such. Whatever is around the values does not
count, nor does an array that was cut short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ideator_rl.ideators.replies.draft import Draft
from ideator_rl.ideators.replies.labelled_ideas import read_labelled
from ideator_rl.ideators.replies.labels import label_kind

_START = re.compile(r"[\[{](?=\s*[\[{\"])")
_TITLES = ("title", "name")
# Bounds the work: each attempt may scan the whole text without success.
_MOST_FAILURES = 50
_DEEPEST = 4


def first_value(text: str) -> int:
    """Where the first JSON value begins that could hold ideas; the length of a text without any."""
    match = _START.search(text)
    return match.start() if match else len(text)


def read_json(text: str) -> list[Draft]:
    """The ideas of all JSON values in a text."""
    # Line breaks in strings are wrong, and frequent.
    decoder = json.JSONDecoder(strict=False)
    drafts: list[Draft] = []
    position = failures = 0
    while failures < _MOST_FAILURES and (match := _START.search(text, position)):
        try:
            value, end = decoder.raw_decode(text, match.start())
            found = list(_find(value))
        except (ValueError, RecursionError):
            # No JSON, or nested so deeply that it holds no idea.
            position, failures = match.end(), failures + 1
        else:
            position = end
            drafts += found
    return drafts


def _find(value: Any, depth: int = 0) -> Iterator[Draft]:
    if isinstance(value, str):
        yield from read_labelled(value)
    elif isinstance(value, dict) and (drafts := read_labelled(_labelled(value))):
        yield from drafts
    elif isinstance(value, dict | list) and depth < _DEEPEST:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _find(inner, depth + 1)


def _labelled(value: Mapping[str, Any]) -> str:
    """What an object says under the labels among its keys; a title begins the experiment."""
    parts: dict[str, list[str]] = {"experiment": [], "changes": [], "builds on": []}
    for key, inner in value.items():
        if key.lower() in _TITLES:
            parts["experiment"].insert(0, _text(inner))
        elif (kind := label_kind(key)) in parts:
            parts[kind].append(_text(inner))
    return "\n".join(line for kind, texts in parts.items() for line in (f"[{kind}]", *texts))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
