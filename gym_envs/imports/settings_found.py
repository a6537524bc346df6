"""First ideas for a program that comes without any: its numbers, halved and doubled.

>>> print(ideas_yaml("# EVOLVE-BLOCK-START\\nrounds = 40\\n# EVOLVE-BLOCK-END\\n"))
- id: rounds
  experiment: Set rounds to {value} instead of 40.
  changes: 'rounds: 40 -> {value}'
  params:
    value: [80, 20]
<BLANKLINE>
"""

from __future__ import annotations

import ast

import yaml

from executor.edits.regions import frozen_lines
from gym_envs.imports.peer import MARKS

MOST_IDEAS = 20


def ideas_yaml(program: str) -> str:
    """A library of ideas, as the text of `ideas.yaml`; empty where no number has a name."""
    numbers = _numbers(program)
    ideas = [
        {
            "id": name.lower().strip("_").replace("_", "-"),
            "experiment": f"Set {name} to {{value}} instead of {text}.",
            "changes": f"{name}: {text} -> {{value}}",
            "params": {"value": [2 * value, value // 2 if isinstance(value, int) else value / 2]},
        }
        for name, (text, value) in list(numbers.items())[:MOST_IDEAS]
    ]
    if not ideas:
        return ""
    return yaml.safe_dump(ideas, sort_keys=False, default_flow_style=None, width=100)


def _numbers(program: str) -> dict[str, tuple[str, int | float]]:
    """The names that are assigned a number, and nothing else, where lines may change."""
    frozen = set(frozen_lines(program, MARKS) or ())
    lines = program.split("\n")
    found: dict[str, tuple[str, int | float]] = {}
    twice: set[str] = set()
    for node in ast.walk(ast.parse(program)):
        for name in _assigned(node):
            value = getattr(getattr(node, "value", None), "value", None)
            line = lines[getattr(node, "lineno", 1) - 1]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if name in found or not is_number or not value or line in frozen:
                twice.add(name)
            else:
                found[name] = (line.partition("=")[2].partition("#")[0].strip(), value)
    return {name: told for name, told in sorted(found.items()) if name not in twice}


def _assigned(node: ast.AST) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
