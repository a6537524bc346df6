"""Diffs of real code, damaged as language models damage them: applied right, or refused."""

import argparse
import configparser
import csv
import fractions
import heapq
import inspect
import random
import re
import shlex
import string
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from types import ModuleType

import pytest

from executor.edits import EditError, apply_edits, canonical_diff

MODULES: Sequence[ModuleType] = (
    argparse,
    configparser,
    csv,
    fractions,
    heapq,
    shlex,
    string,
    textwrap,
)
EDITS_EACH = 8
HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
Tree = dict[str, str]


def changed(rng: random.Random, text: str) -> str:
    """The text with one to three small changes: a line altered, added or removed."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.choice([i for i, line in enumerate(lines) if line.strip()])
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        added = [f"{indent}step_{rng.randint(0, 999)} = {rng.random():.4f}"] * rng.randint(1, 2)
        match rng.choice(("alter", "add", "remove")):
            case "alter":
                lines[at] += f"  # {rng.randint(0, 999)}"
            case "add":
                lines[at:at] = added
            case "remove":
                del lines[at : at + rng.randint(1, 2)]
    return "\n".join(lines)


def cases() -> list[tuple[Tree, Tree]]:
    rng = random.Random(0)
    pairs = []
    for module in MODULES:
        name, text = f"{module.__name__}.py", inspect.getsource(module)
        pairs += [({name: text}, {name: changed(rng, text)}) for _ in range(EDITS_EACH)]
    return pairs


CASES = cases()


# --- the kinds of damage --------------------------------------------------------------------------


def each_hunk(diff: str, damage: Callable[[list[str]], list[str]]) -> str:
    """The diff with the lines of each hunk's body damaged."""
    out: list[str] = []
    body: list[str] = []
    for line in [*diff.split("\n")[:-1], "@@"]:
        if line.startswith("@@"):
            out += damage(body) if body else []
            body = []
            out.append(line)
        elif out and out[-1].startswith("@@"):
            body.append(line)
        else:
            out.append(line)
    return "\n".join(out[:-1]) + "\n"


def headers(diff: str, rng: random.Random, count: bool, number: bool) -> str:
    def wrong(match: re.Match[str]) -> str:
        a, b, c, d = (int(g or 1) for g in match.groups())
        if count:
            b, d = max(1, b + rng.choice((-2, -1, 1, 2))), max(1, d + rng.choice((-2, -1, 1, 2)))
        if number:
            a, c = max(1, a + rng.randint(-40, 40)), max(1, c + rng.randint(-40, 40))
        return f"@@ -{a},{b} +{c},{d} @@"

    return HEADER.sub(wrong, diff)


def one_context_line(
    diff: str, rng: random.Random, damage: Callable[[str], str], outer: bool = False
) -> str:
    """Damages one context line with words in it in each hunk; one at an edge if `outer`."""

    def hunk(body: list[str]) -> list[str]:
        context = [
            i for i, line in enumerate(body) if line[:1] == " " and len(re.findall(r"\w", line)) > 7
        ]
        if outer:
            context = [i for i in context if i in (0, len(body) - 1)]
        if context:
            at = rng.choice(context)
            body[at] = damage(body[at])
        return body

    return each_hunk(diff, hunk)


def typo(rng: random.Random) -> Callable[[str], str]:
    def damage(line: str) -> str:
        at = rng.choice([i for i, c in enumerate(line) if c.isalnum()])
        letter = rng.choice(string.ascii_lowercase)
        return rng.choice((line[:at] + line[at + 1 :], line[:at] + letter + line[at:]))

    return damage


def all_context(diff: str, damage: Callable[[str], str]) -> str:
    return each_hunk(diff, lambda body: [damage(ln) if ln[:1] == " " else ln for ln in body])


def without_blank_context(diff: str) -> str:
    return each_hunk(diff, lambda body: [line for line in body if line != " "])


def as_blocks(diff: str, shifted: bool = False) -> str:
    """Each hunk as a SEARCH/REPLACE block, moved to the left margin if `shifted`."""

    def block(body: list[str]) -> list[str]:
        if shifted:
            code = textwrap.dedent("\n".join(line[1:] for line in body)).split("\n")
            body = [line[0] + text for line, text in zip(body, code, strict=True)]
        old = [line[1:] for line in body if line[0] in " -"]
        new = [line[1:] for line in body if line[0] in " +"]
        return ["<<<<<<< SEARCH", *old, "=======", *new, ">>>>>>> REPLACE"]

    lines = each_hunk(diff, block).split("\n")
    name = lines[0].split(" b/")[1]
    return "\n".join([name, *(ln for ln in lines[3:] if not ln.startswith("@@"))])


Damage = Callable[[str, random.Random], str]
DAMAGES: dict[str, Damage] = {
    "clean": lambda diff, rng: diff,
    "wrong counts": lambda diff, rng: headers(diff, rng, count=True, number=False),
    "wrong line numbers": lambda diff, rng: headers(diff, rng, count=False, number=True),
    "both": lambda diff, rng: headers(diff, rng, count=True, number=True),
    "bare @@ ... @@": lambda diff, rng: HEADER.sub("@@ ... @@", diff),
    "bare @@": lambda diff, rng: HEADER.sub("@@", diff),
    "context typo": lambda diff, rng: one_context_line(diff, rng, typo(rng)),
    "context typo, bare @@": lambda diff, rng: HEADER.sub(
        "@@", one_context_line(diff, rng, typo(rng))
    ),
    "outer line made up": lambda diff, rng: one_context_line(
        diff, rng, lambda line: "     the_quick(brown=fox)", outer=True
    ),
    "no prefixes": lambda diff, rng: re.sub(r"^(---|\+\+\+) [ab]/", r"\1 ", diff, flags=re.M),
    "no git line": lambda diff, rng: diff.split("\n", 1)[1],
    "time stamps": lambda diff, rng: re.sub(
        r"^((?:---|\+\+\+) .*)$", r"\1\t2026-01-01 00:00:00 +0000", diff, flags=re.M
    ),
    "fenced": lambda diff, rng: f"Do this:\n\n```diff\n{diff}```\n\n- It should help.\n+ Really.\n",
    "prose behind": lambda diff, rng: f"Do this:\n\n{diff}\n- It should help.\n+ Really.\n",
    "CRLF": lambda diff, rng: diff.replace("\n", "\r\n"),
    "blank lines lost their space": lambda diff, rng: re.sub(r"^ $", "", diff, flags=re.M),
    "blank lines dropped": lambda diff, rng: without_blank_context(diff),
    "trailing blanks": lambda diff, rng: all_context(diff, lambda line: line + "  "),
    "context lost its space": lambda diff, rng: (
        "```diff\n" + HEADER.sub("@@", all_context(diff, lambda line: line[1:])) + "```\n"
    ),
    "search/replace": lambda diff, rng: as_blocks(diff),
    "search/replace, typo": lambda diff, rng: as_blocks(one_context_line(diff, rng, typo(rng))),
    "search/replace, shifted left": lambda diff, rng: as_blocks(diff, shifted=True),
}


# An edge that was made up may have been all that told two places apart.
LEAST = {"outer line made up": 0.85}


def without_blank_lines(tree: Tree) -> Tree:
    return {name: re.sub(r"\n\s*\n", "\n", text) for name, text in tree.items()}


def tally(kind: str) -> Counter[str]:
    """How many of the damaged edits were applied right, applied wrong, and refused."""
    rng = random.Random(1)
    compared = without_blank_lines if kind == "blank lines dropped" else dict
    results: Counter[str] = Counter()
    for before, after in CASES:
        text = DAMAGES[kind](canonical_diff(before, after), rng)
        try:
            result = apply_edits(before, text, editable=["*.py"], frozen=[])
        except EditError:
            results["refused"] += 1
        else:
            results["right" if compared(result) == compared(after) else "wrong"] += 1
    return results


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_edits_apply_right_or_are_refused(kind: str) -> None:
    results = tally(kind)
    assert results["wrong"] == 0
    assert results["right"] >= LEAST.get(kind, 0.95) * len(CASES)
