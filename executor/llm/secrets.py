"""Keys stay in the environment: what an error says is freed of them.

one_line("Incorrect API key\n sk-abc…")     # "Incorrect API key [key]"
"""

from __future__ import annotations

import os
import re

from executor.outside_text import clean_line

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|CUSTOM_HEADERS", re.IGNORECASE)
# Headers and URLs with a key that no variable holds.
_LOOKS = re.compile(r"(?i)\b(bearer|basic)\s+\S+|\bsk-[\w-]{8,}|(?<=//)[^/\s@]+@")
# Shorter values are no keys, and their letters occur everywhere.
_SHORTEST = 6
_LONGEST_LINE = 300


def without_keys(text: str) -> str:
    """The text with every value of an environment variable named like a secret blacked out."""
    values = {value for name, value in os.environ.items() if _NAMES.search(name)}
    # A variable may hold several: `name: value` lines, user and password.
    parts = {part for value in values for part in (value, *re.split(r"[\s:,;]+", value))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST:
            text = text.replace(part, "[key]")
    return _LOOKS.sub("[key]", text)


def one_line(text: str) -> str:
    """A message of another library as one short line without keys."""
    return clean_line(without_keys(text), _LONGEST_LINE)
