"""What models wrap around their edits: thinking before them, HTML's escapes, JSON.

>>> list(readings("<think>rate: 1 -> 3</think>\\nrate: 1 -&gt; 2"))
['\\nrate: 1 -&gt; 2', '\\nrate: 1 -> 2']
"""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

THINKING = re.compile(
    r"\A\s*<(think|thinking|thought|reasoning)>(?:.*?</\1>|.*\Z)|\A.*?^</think(?:ing)?>[ \t\r]*$",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
ESCAPES = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#x27);")

PATHS = ("path", "file", "file_path", "filepath", "filename", "file_name")
OLD = ("search", "old", "old_str", "old_string", "old_text", "old_code", "find")
NEW = ("replace", "new", "new_str", "new_string", "new_text", "new_code", "replacement")
WHOLE = ("content", "contents", "file_text", "new_content")


def readings(text: str) -> Iterator[str]:
    """The text without thinking, then what it says if it is wrapped once more."""
    text = THINKING.sub(lambda thought: "\n" * thought[0].count("\n"), text, count=1)
    yield text
    if (inside := _from_json(text)) is not None:
        yield inside
    if ESCAPES.search(text):
        yield ESCAPES.sub(lambda escape: html.unescape(escape[0]), text)


def _from_json(text: str) -> str | None:
    """The edits in a JSON answer, as blocks and as they are; None if the text is not one."""
    before, mark, fenced = text.partition("```json")
    body = (fenced.partition("\n```")[0] if mark else before).strip().strip("`").strip()
    if body[:1] not in ("{", "["):
        return None
    try:
        return "\n".join(_texts(json.loads(body, strict=False)))
    except (ValueError, RecursionError):
        return None


def _texts(answer: Any) -> Iterator[str]:
    nodes = [answer]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, list):
            nodes += reversed(node)
        elif isinstance(node, dict):
            path, old, new, whole = (_first(node, keys) for keys in (PATHS, OLD, NEW, WHOLE))
            if old is not None and new is not None:
                marks = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
                yield "\n".join(
                    [path or "", marks[0], *_rows(old), marks[1], *_rows(new), marks[2]]
                )
            elif path and whole is not None:
                yield "\n".join([path, "``````", *_rows(whole), "``````"])
            else:
                nodes += reversed(node.values())


def _rows(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _first(node: dict, keys: tuple[str, ...]) -> str | None:
    """The value of the first of these keys that is there with a text."""
    return next((node[key] for key in keys if isinstance(node.get(key), str)), None)
