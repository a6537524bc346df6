"""Keys stay in the environment: what an error says is freed of them.

one_line("Incorrect API key\n sk-abc…")     # "Incorrect API key [key]"
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from executor.text.outside_text import clean_line

# How a variable or a setting is called that holds a secret.
SECRET_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|CUSTOM_HEADERS|AUTHORIZATION", re.IGNORECASE
)
# Headers and URLs with a key that no variable holds.
_LOOKS = re.compile(r"(?i)\b(bearer|basic)\s+\S+|\bsk-[\w-]{8,}|(?<=//)[^/\s@]+@")
# Shorter values are no keys, and their letters occur everywhere.
_SHORTEST = 6
_LONGEST_LINE = 300


def without_keys(text: str) -> str:
    """The text with every value of an environment variable named like a secret blacked out."""
    for part in environment_keys():
        text = text.replace(part, "[key]")
    return _LOOKS.sub("[key]", text)


def environment_keys() -> list[str]:
    """The values of environment variables named like a secret, the longest first."""
    return parts_of(value for name, value in os.environ.items() if SECRET_NAME.search(name))


def parts_of(secrets: Iterable[str]) -> list[str]:
    """Secrets, and what they are made of: one may hold several, as `name: value` lines or as user
    and password. The longest first, and none that is too short for a key."""
    parts = {part for value in secrets for part in (value, *re.split(r"[\s:,;]+", value))}
    return sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)


def one_line(text: str) -> str:
    """A message of another library as one short line without keys."""
    return clean_line(without_keys(text), _LONGEST_LINE)
