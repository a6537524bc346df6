"""What in an evaluator invites cheating, found in its source: warnings, no proofs.

>>> loop = "for case in cases:\\n  try: run(case)\\n  except ValueError: continue\\n"
>>> skipped_exceptions(loop)
[3]
>>> claimed_scores("def solve():\\n    return order, makespan\\n")
[(2, 'makespan')]
>>> claimed_scores("def solve():\\n    return radii, float(radii.sum())\\n")
[(2, 'sum')]
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gym_envs.imports.peer import Peer

_SCORE = re.compile(
    r"(^|_)(score|makespan|cost|sum|total|loss|value|fitness|objective|energy|reward|accuracy)s?(_|$)",
    re.IGNORECASE,
)


def suspicions(peer: Peer) -> list[str]:
    """Warnings about a folder, a line each."""
    evaluator = (peer.folder / peer.evaluator).read_text()
    told = [
        f"{peer.evaluator} line {line} goes on after an exception: a program that raises where it "
        "does badly is averaged over the rest (with --examined such a trial is rejected)"
        for line in skipped_exceptions(evaluator)
    ]
    told += [
        f"{peer.program} line {line} returns its own `{name}`: an evaluator that believes it "
        "rewards any claim (with --examined such a trial is rejected)"
        for line, name in claimed_scores(peer.text)
    ]
    return told


def skipped_exceptions(source: str) -> list[int]:
    """The lines of handlers in loops that neither raise, nor return, nor leave the loop."""
    found = []
    for loop in ast.walk(ast.parse(source)):
        if isinstance(loop, ast.For | ast.While | ast.AsyncFor):
            for node in ast.walk(loop):
                if isinstance(node, ast.ExceptHandler) and not _leaves(node):
                    found.append(node.lineno)
    return sorted(set(found))


def claimed_scores(source: str) -> list[tuple[int, str]]:
    """Lines on which a function returns, among other things, something named like a score."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Return):
            found += [(node.lineno, name) for name in _names(node.value) if _SCORE.search(name)]
    return found


def reads_the_source(source: str) -> int:
    """The first line of an evaluator that opens the program's file itself; 0 where none does."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        subject = ast.unparse(node.args[0]) if node.args and name == "open" else name
        reading = len(node.args) < 2 or not re.search(r"[wax]", ast.unparse(node.args[1]))
        opens = name == "open" or name.endswith((".read_text", ".read_bytes"))
        if opens and reading and re.search(r"\bprogram_?path\b", subject, re.IGNORECASE):
            return node.lineno
    return 0


def _leaves(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(n, ast.Raise | ast.Return | ast.Break) for n in ast.walk(handler))


def _names(value: ast.expr | None) -> Iterator[str]:
    """The names in a tuple or mapping that is returned, those of called functions included."""
    if isinstance(value, ast.Tuple):
        for part in value.elts:
            if isinstance(part, ast.Name):
                yield part.id
            elif isinstance(part, ast.Call):
                calls = [node.func for node in ast.walk(part) if isinstance(node, ast.Call)]
                yield from (ast.unparse(function).rpartition(".")[2] for function in calls)
    elif isinstance(value, ast.Dict):
        yield from (str(k.value) for k in value.keys if isinstance(k, ast.Constant))
