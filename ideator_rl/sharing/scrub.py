"""Takes out of a text what belongs to this machine and its people: secrets, paths and names.

    scrub = make_scrub(Store("store"), recipe)
    scrub("OSError: /home/jane/store/x, Bearer abc123def456")     # "OSError: [store]/x, [key]"

Out go the values of environment variables and recipe keys that are named like secrets, what looks
like a key, the secrets that examinations are drawn from, and the folders, the user and the host of
this machine. A user or host called like a word of code (`max`, `root`) goes only where it stands in
a path or an address: elsewhere it would take code apart.
"""

from __future__ import annotations

import builtins
import getpass
import keyword
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from executor.data.prepared import data_root
from executor.llm.secrets import SECRET_NAME, environment_keys, parts_of

Scrub = Callable[[str], str]

KEY, SECRET, USER, HOST = "[key]", "[secret]", "[user]", "[host]"
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?i:\bbearer\s+)(?=\S*\d|\S{16})[\w.~+/=-]{8,}"
    r"|(?i:\bauthorization\s*[:=]\s*)[^\n\"']+"
    r"|(?i:\bbasic\s+)(?=\S*[\d=])[\w+/]{12,}=*"
    r"|\b(?:sk-|hf_|ghp_|gho_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza)[\w-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}[\w.-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s@]+(?=@)"
)
_HOMES = re.compile(r"(?<![\w.])/(?:home|Users)/[^/\s'\"`]+")
_TEMPORARY = re.compile(r"(?<![\w.])(?:/var)?/tmp/[^\s'\"`,;:()\[\]{}<>]+")
# Folders that every machine has, and names that are nobody's.
_COMMON_FOLDERS = {"/", "/usr", "/usr/local", "/opt", "/opt/homebrew", "/tmp", "/var/tmp", "/home"}
_COMMON_NAMES = {"root", "user", "admin", "ubuntu", "nobody", "runner", "localhost", "docker"}


def make_scrub(store: str, recipe: object = None) -> Scrub:
    """The function that cleans texts.

    Args:
        store: the folder or URL of the store that they are from.
        recipe: the run's recipe as dictionaries and lists.
    """
    keys = [*environment_keys(), *parts_of(_recipe_secrets(recipe))]
    marks = dict.fromkeys(keys, KEY) | dict.fromkeys(_data_secrets(), SECRET)
    # One may be a part of another.
    replaced = sorted(marks.items(), key=lambda item: -len(item[0]))
    folders = _folders(store)
    names = _names()

    def scrub(text: str) -> str:
        for secret, mark in replaced:
            text = text.replace(secret, mark)
        text = _LOOKS_LIKE_A_KEY.sub(KEY, text)
        for pattern, mark in folders:
            text = pattern.sub(mark, text)
        text = _TEMPORARY.sub("[tmp]", _HOMES.sub("[home]", text))
        for pattern, mark in names:
            text = pattern.sub(mark, text)
        return text

    return scrub


def scrub_all(value: Any, scrub: Scrub) -> Any:
    """Every text in a value of dictionaries and lists, their keys excepted."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {key: scrub_all(item, scrub) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_all(item, scrub) for item in value]
    return value


def _recipe_secrets(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _recipe_secrets(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _recipe_secrets(item, name)
    elif isinstance(value, str) and SECRET_NAME.search(name):
        yield value


def _data_secrets() -> list[str]:
    """The machine's secret and those that were shared for a problem; none is drawn here."""
    root = data_root()
    files = [root / "secret", *(root / "secrets").glob("*")]
    return [text for file in files if file.is_file() and (text := file.read_text().strip())]


def _folders(store: str) -> list[tuple[re.Pattern[str], str]]:
    """A pattern for every folder of this machine that says something of it, the longest first."""
    named: dict[str, str] = {}
    for mark, folder in (
        ("[python]", sys.base_prefix),
        ("[python]", sys.prefix),
        ("[here]", Path.cwd()),
        ("[home]", Path.home()),
        ("[tmp]", tempfile.gettempdir()),
        ("[data]", data_root()),
        ("[store]", store),
    ):
        named[str(folder)] = mark
        if "://" not in str(folder):
            named[str(Path(folder).resolve())] = mark
    longest_first = sorted(named.items(), key=lambda item: len(item[0]), reverse=True)
    return [
        (re.compile(rf"(?<![\w.]){re.escape(folder)}(?![\w-])"), mark)
        for folder, mark in longest_first
        if folder.rstrip("/") and folder not in _COMMON_FOLDERS
    ]


def _names() -> list[tuple[re.Pattern[str], str]]:
    host = socket.gethostname()
    found = []
    for name, mark in ((host, HOST), (host.partition(".")[0], HOST), (_user(), USER)):
        is_word = keyword.iskeyword(name) or hasattr(builtins, name) or name in _COMMON_NAMES
        if len(name) >= 3 and not is_word:
            found.append((re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"), mark))
        elif name:
            found.append((re.compile(rf"(?<=@){re.escape(name)}\b|\b{re.escape(name)}(?=@)"), mark))
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name
        return ""
