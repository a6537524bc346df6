"""The file names in the headers of diffs, as git, diff and language models write them."""

import re
from collections.abc import Collection

from executor.edits.lines import bare

NOTE = re.compile(r"(?<!\s)\s++(\d{4}-\d\d-\d\d\b.*|\w{3} \w{3} +\d+ \d.*|\([^()]*\))$")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
NOWHERE = "/dev/null"


def unquoted(name: str) -> str:
    """A name that git wrote in quotes, with octal escapes for the bytes of UTF-8."""

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 8) & 255) if len(code) == 3 else LETTERS.get(code, code)

    if not (match := QUOTED.fullmatch(name)):
        return name
    text = match[1]
    if not text.isascii():
        return ESCAPE.sub(lambda m: LETTERS.get(m[1], m[1]), text)
    return ESCAPE.sub(plain, text).encode("latin-1").decode("utf-8", errors="replace")


def file_name(row: str) -> str:
    """The name in a "--- " or "+++ " row, without a time stamp or a remark behind it."""
    name, tab, _ = bare(row)[4:].partition("\t")
    return unquoted(name if tab else NOTE.sub("", name.strip()).strip("`*"))


def git_names(row: str) -> tuple[str | None, str | None]:
    """Both names in a row `diff --git a/NAME b/NAME`."""
    rest = bare(row).removeprefix("diff --git ")
    if quoted := re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', rest):
        return unquoted(quoted[1]), unquoted(quoted[2])
    middle = len(rest) // 2  # an unquoted name with spaces stands there twice: a/NAME b/NAME
    return rest[:middle], rest[middle + 1 :]


def without_prefixes(
    old: str | None, new: str | None, known: Collection[str]
) -> tuple[str | None, str | None]:
    """Both names without a/ and b/, unless a file of the codebase is called like this."""
    if old and new and old.startswith("a/") and new.startswith("b/"):
        return old[2:], new[2:]

    def stripped(name: str | None, sure: bool) -> str | None:
        if name is None or (name in known and not sure):
            return name
        return name[2:] if name.startswith(("a/", "b/")) else name

    return stripped(old, sure=new == NOWHERE), stripped(new, sure=old == NOWHERE)
