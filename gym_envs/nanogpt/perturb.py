"""Python sources that read like the originals and say nothing of them: words, numbers, order.

    texts = perturbed(originals, secret)     # {"wave.py": "…"}: the same names, other texts

In each file every word is replaced by another of the same style, everywhere in the file by the
same one, in each file by another; keywords, builtins, dunders, `self` and `cls` stay. What a word
becomes is drawn from all words of all texts, some of them far likelier than others, whatever they
stood for. Numbers likewise. Then the statements of every block are shuffled. What parsed before
parses after. Everything is drawn from the secret.
"""

import ast
import builtins
import keyword
import random
import re
from collections.abc import Iterator, Mapping

import numpy as np

KEPT = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls", "coding", "utf"}
)
ZIPF = 1.5  # the exponent: a word of rank r is drawn in proportion to r ** -ZIPF
# Escapes, conversions of f-strings and prefixes of strings come first: they only look like words.
PIECE = re.compile(
    r"""\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}\n]*\}|[0-7]{1,3}|.|\n)
    | ![rsa](?=[:}])
    | (?:[rR][bBfF]?|[bBfF][rR]?|[uU])(?=["'])
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:0|[1-9]\d*)\.\d+|0|[1-9]\d*)(?!\w|\.\w))
    | \d[\w.]*
    | (?P<word>[^\W\d]\w*)""",
    re.VERBOSE,
)


def perturbed(originals: Mapping[str, str], secret: str) -> dict[str, str]:
    """Args: originals: each file's text by its name. secret: decides everything."""
    vocabulary: dict[str, set[str]] = {}
    for text in originals.values():
        for word in words(text):
            vocabulary.setdefault(style(word), set()).add(word)
    rng = np.random.default_rng(list(f"{secret} vocabulary".encode()))
    drawers = {kind: Drawer(sorted(vocabulary[kind]), rng) for kind in sorted(vocabulary)}
    return {
        name: shuffled(renamed(text, drawers, f"{secret} {name}"), f"{secret} {name} order")
        for name, text in originals.items()
    }


def words(text: str) -> set[str]:
    """The words and numbers of a text that are replaced."""
    found = {match["word"] or match["number"] for match in PIECE.finditer(text)}
    return {word for word in found if word and not stays(word)}


def stays(word: str) -> bool:
    dunder = word[:2] == word[-2:] == "__"
    return dunder or word in KEPT or not word.strip("_") or not word.isascii()


def style(word: str) -> str:
    """What a word has in common with those that may stand for it."""
    if word[0].isdigit():
        return "hexadecimal" if word[1:2] in "xX" and word[1:] else f"number{'.' in word}"
    letters = word.lstrip("_")
    case = "mixed"
    if letters == letters.lower():
        case = "lower"
    elif letters == letters.upper():
        case = "upper"
    elif letters[1:] == letters[1:].lower():
        case = "capital"
    return f"{'_' * (letters != word)}{case}{'one' * (len(word) == 1)}"


class Drawer:
    """Draws different words of one style; a few of them are drawn far more often than most."""

    def __init__(self, vocabulary: list[str], rng: np.random.Generator) -> None:
        self.words = np.array(vocabulary, dtype=object)
        self.log_weights = -ZIPF * np.log1p(rng.permutation(len(vocabulary)))

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        # The largest of log weights with Gumbel noise are a weighted sample without replacement.
        keys = self.log_weights + rng.gumbel(size=len(self.words))
        return list(self.words[np.argpartition(-keys, count - 1)[:count]])


def renamed(text: str, drawers: Mapping[str, Drawer], secret: str) -> str:
    """The text in other words, with nothing else changed."""
    rng = np.random.default_rng(list(secret.encode()))
    by_style: dict[str, list[str]] = {}
    for word in sorted(words(text)):
        by_style.setdefault(style(word), []).append(word)
    new: dict[str, str] = {}
    for kind, old in sorted(by_style.items()):
        drawn = drawers[kind].draw(len(old), rng)
        new |= {old[i]: str(drawn[j]) for j, i in enumerate(rng.permutation(len(old)))}

    def replace(match: re.Match[str]) -> str:
        word = match["word"] or match["number"]
        return new.get(word, match[0]) if word else match[0]

    return PIECE.sub(replace, text)


def shuffled(text: str, secret: str) -> str:
    """The text with the statements of every block in another order, if it is Python at all.

    A statement takes along the comments above it; what hangs on it, as `else` does, is
    a part of it.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    rng = random.Random(secret)
    lines = text.removesuffix("\n").split("\n")
    for block in blocks(tree):
        spans: list[tuple[int, int]] = []  # of lines, ends excluded
        for statement in block:
            decorators = getattr(statement, "decorator_list", [])
            first = min(part.lineno for part in (statement, *decorators)) - 1
            start = spans[-1][1] if spans else first
            end = statement.end_lineno or 0
            if spans and first < start:  # on a line with the one before
                start = spans.pop()[0]
            spans.append((start, end))
        parts = [lines[start:end] for start, end in spans]
        rng.shuffle(parts)
        lines[spans[0][0] : spans[-1][1]] = [line for part in parts for line in part]
    return "\n".join(lines) + "\n"


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every block below a node, inner ones first, so that shuffling moves none that is to come."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, field, [])
        for child in inner:
            yield from blocks(child)
        if inner and isinstance(inner[0], ast.stmt):
            yield inner
