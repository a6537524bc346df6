"""Texts that make a careless reader look at the same characters again and again, at any length.

text = HOSTILE["fences"](20_000)     # about as many characters
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

FILES = {"train.py": "a = 1\nb = 2\n\nc = 3\n", "lib/m.py": "a = 1\r\nd = 4", "serve.py": "a = 1\n"}
EDITABLE = ["train.py", "lib/*", "new.py"]
FROZEN = ["serve.py"]

Text = Callable[[int], str]


def again(piece: str, head: str = "", tail: str = "") -> Text:
    """One piece over and over."""
    return lambda size: head + piece * (size // len(piece)) + tail


def each(piece: Callable[[int], str], head: str = "", tail: str = "") -> Text:
    """Pieces that differ by their number."""

    def text(size: int) -> str:
        pieces: list[str] = []
        length = 0
        for number in count():
            if length >= size:
                return head + "".join(pieces) + tail
            pieces.append(piece(number))
            length += len(pieces[-1])
        raise AssertionError

    return text


def both(first: Text, second: Text) -> Text:
    return lambda size: first(size // 2) + second(size // 2)


def block(old: str, new: str, path: str = "train.py") -> str:
    return f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


def new_file(body: Text) -> Text:
    return lambda size: block("", body(size), "new.py")


def letters(size: int) -> str:
    rng = Random(size)
    return "".join(f"{rng.choice('abcdefgh')}\n" for _ in range(size // 2))


_IN_TRAIN, _IN_NEW = "--- a/train.py\n+++ b/train.py\n", "--- new.py\n+++ new.py\n"
_PYTHON = "new.py\n```python\n"

HOSTILE: dict[str, Text] = {
    # fences
    "fences": again("```\n"),
    "fences of diffs": again("```diff\n+\n"),
    "fences in pairs": again("```python\nx\n```\n"),
    "half fences": again("``\n```python\n"),
    "named fences": again("```python train.py\n"),
    "named fences of two kinds": again("``` train.py\n~~~ train.py\n"),
    "nested fences": both(
        lambda size: "".join("`" * n + " train.py\n" for n in range(int((2 * size) ** 0.5), 2, -1)),
        again("a\n"),
    ),
    "indented fences": each(lambda n: " " * (n % 13) + "`" * (3 + n % 5) + "diff\n+x\n"),
    "a row of tildes": again("~", tail="`"),
    "a row of backticks": again("`"),
    "a comment like a path": again("/", head="train.py\n```\n# ", tail="(\n```\n"),
    "names above fences": again("file " + ":" * 250 + "\n```\n"),
    "fences of JSON": again("```json\n["),
    "a whole file": again("a = 1\n", head="train.py\n```python\n", tail="```"),
    "a comment of spaces": again(" ", head="train.py\n```\n#", tail="x"),
    # blocks
    "openings": again("<<<<<<< SEARCH\n"),
    "blocks": again(block("a = 1\n", "a = 1\nb = 2\n")),
    "blocks that are not there": again(block("not there\n", "b\n")),
    "a block of few letters": lambda size: block(letters(size // 2), letters(size // 2 - 1)),
    "blocks of few letters": each(lambda n: block(letters(400 + n % 3), letters(399 - n % 3))),
    "a block of equal lines": lambda size: block("a\n" * (size // 4), "b\n" * (size // 4)),
    "many blocks in a large file": both(
        new_file(each(lambda n: f"{n}\n")),
        each(lambda n: block(f"{n} \n", f"x{n}\n", "new.py")),
    ),
    "misquoted lines": both(
        new_file(each(lambda n: "ab" * 50 + f"{n % 60}" + "ba" * 40 + "\nabc\n")),
        lambda size: block(
            "".join("ba" * 50 + f"{n % 60}" + "ab" * 40 + "\nabc\n" for n in range(size // 200)),
            "x\n",
            "new.py",
        ),
    ),
    # diffs
    "hunk headers": again("@@\n"),
    "hunks that count too much": again("@@ -1,99999 +1,99999 @@\n a\n"),
    "hunks that match everywhere": again("@@\n-a = 1\n+a = 1\n", head=_IN_TRAIN),
    "one hunk that matches everywhere": again("-a = 1\n+a = 2\n", head=_IN_TRAIN + "@@\n"),
    "hunks that add": each(lambda n: f"@@\n a = 1\n+x{n}\n", head=_IN_TRAIN),
    "many hunks in a large file": both(
        new_file(each(lambda n: f"{n}\n")),
        each(lambda n: f"@@\n-{n}\n+x{n}\n", head=_IN_NEW),
    ),
    "names of files": again(_IN_TRAIN),
    "git's names of files": again("diff --git a/train.py b/train.py\n"),
    "quoted names": again('--- "a/\\303\n'),
    "a long quoted name": again("\\303", head='--- "', tail="x\n+++ y\n"),
    "a remark behind spaces": again(" ", head="--- a", tail="x\n+++ b\n"),
    "lines without a hunk": again("- x\n", head="```diff\n", tail="a: 1 -> 2"),
    "added lines without a file": again("+", tail="+\n"),
    "a hunk far below": again(" \n", tail="@@\n"),
    "announcements of updates": again("*** Update File: train.py\n"),
    "many new files": each(lambda n: f"*** Add File: lib/a{n}.py\n+x\n"),
    "many moves": each(lambda n: f"*** Update File: lib/a{n}.py\n*** Move to: lib/a{n + 1}.py\n"),
    "deep folders": each(lambda n: "*** Add File: lib/" + "a/" * 400 + f"{n}\n"),
    "names that are nearly there": both(
        each(lambda n: "*** Add File: lib/" + "ab" * 80 + f"{n:08}\n"),
        each(lambda n: "*** Delete File: lib/" + "ba" * 80 + f"{n:08}\n"),
    ),
    "hunks without a name": both(
        each(lambda n: f"*** Add File: lib/a{n}.py\n+x{n}\n"),
        each(lambda n: f"prose\n\n@@\n-x{n}\n+y\n"),
    ),
    # assignments
    "one assignment often": again("a: 1 -> 2\n"),
    "colons": again("a: "),
    "words with arrows": each(lambda n: f"a{n}: b -> c\n"),
    "many arrows": again("a: " + "x -> " * 150 + "\n"),
    "spaces before arrows": again("a: " + " " * 900 + "x\n"),
    "spaces before remarks": again("a: 1 -> 2" + " " * 900 + "x\n"),
    "parentheses that are not closed": again("a: " + "(" * 150 + " -> 1\n"),
    "one name assigned often": again("q=2;", head=_PYTHON, tail="\n```\nq: 2 -> 3\n"),
    "many values in a long file": again(
        "x=2;",
        head=_PYTHON + "".join(f"q{n}=2;" for n in range(99)),
        tail="\n```\n" + "".join(f"q{n}: 2 -> 3\n" for n in range(99)),
    ),
    "a number of many digits": again("f", head=_PYTHON + "q = 0x", tail="\n```\nq: 2 -> 3\n"),
    # sources
    "nested parentheses": again("(", head=_PYTHON, tail="\n```\n"),
    "a long sum": again("+1", head=_PYTHON + "a = 1", tail="\n```\n"),
    "many signs": again("-", head=_PYTHON + "a = ", tail="1\n```\n"),
    "many imports": new_file(each(lambda n: f"import a{n}\n")),
    "many names imported": new_file(each(lambda n: f"a{n},", head="from json import ")),
    "an import of many parts": new_file(again(".a", head="import json")),
    "files that import each other": each(
        lambda n: block("", f"from lib.f{n // 2} import x\nx = 1\n", f"lib/f{n}.py")
    ),
    # wrappers
    "JSON, deep": again('{"path": '),
    "JSON, deep and wide": lambda size: "[" * 900 + '"a",' * (size // 4) + '"a"' + "]" * 900,
    "JSON of empty blocks": again('{"old":"","new":""},', head="[", tail="1]"),
    "JSON of one number": again("1", head="[", tail="]"),
    "thoughts": again("<think>"),
    "ends of thoughts": again("\n</think>x"),
    "HTML": again("&lt;"),
    # anything
    "one long line": again("x"),
    "spaces": again(" "),
    "short lines": again("a\n"),
    "empty lines": again("\n"),
    "empty lines of Windows": again("a: 1\r\n\r\n"),
    "quotation marks": again('"'),
    "accents": again("\u0300\u0316", head="a"),
    "digits": again("1", tail="x"),
    # replies
    "labels": again("[Experiment] abc\n[Code Changes] abc\n[End]\n"),
    "brackets": again('["'),
    "a list of many items": each(lambda n: f"{n}. abcdefghijklmnopqrstuvwxyz\n"),
    "a label of many spaces": again(" ", head="research", tail="idea 1:\n" + "2. a\n3. b\n" * 99),
}
