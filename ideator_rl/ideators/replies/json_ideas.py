"""Ideas in a text that is JSON, or has JSON in it: objects with the parts of an idea as keys.

    >>> read_json('[{"experiment": "Steps are small.", "code_changes": "Double them."}]')
    [Draft(...)]

Whatever is around the objects does not count, nor does an array that was cut short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ideator_rl.ideators.replies.draft import Draft, make_draft, make_unlabelled
from ideator_rl.ideators.replies.labelled_ideas import read_labelled
from ideator_rl.ideators.replies.labels import LABELS, OPENING, label_kind

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
            found = list(_find(value, are_ideas=True))
        except (ValueError, RecursionError):
            # No JSON, or nested so deeply that it holds no idea.
            position, failures = match.end(), failures + 1
        else:
            position = end
            drafts += found
    return drafts


def _find(value: Any, are_ideas: bool, depth: int = 0) -> Iterator[Draft]:
    """The ideas in a value; `are_ideas` says whether texts in a list may be some."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        if draft := _read_object(value):
            yield draft
            return
        for key, inner in value.items():
            yield from _find(inner, label_kind(key.rstrip("s")) == "experiment", depth + 1)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, str) and are_ideas:
                draft = _read_text(inner)
                yield from [draft] if draft else []
            else:
                yield from _find(inner, are_ideas, depth + 1)


def _read_object(value: Mapping[str, Any]) -> Draft | None:
    parts: dict[str, list[str]] = {kind: [] for kind in LABELS.values()}
    titles = [_text(inner) for key, inner in value.items() if key.lower() in _TITLES]
    opening = ""
    for key, inner in value.items():
        if kind := label_kind(key):
            parts[kind].append(_text(inner))
            if kind == "experiment" and isinstance(inner, str) and key.lower() in OPENING:
                opening = inner
    if parts["changes"]:
        numbers = [int(n) for text in parts["builds on"] for n in re.findall(r"\b\d{1,3}\b", text)]
        return make_draft([*titles, *parts["experiment"]], parts["changes"], numbers)
    return _read_text("\n".join([*titles, opening])) if opening else None


def _read_text(text: str) -> Draft | None:
    """The idea that one string is, with labels in it or without."""
    labelled = read_labelled(text)
    return labelled[0] if labelled else make_unlabelled(text)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
