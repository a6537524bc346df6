"""YAML that a person wrote: `read_yaml("env: digits")`; a key that is there twice is an error."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"  # <<, which takes over another mapping's keys


class _Loader(yaml.SafeLoader):
    """The safe loader, but of two values for one key none is dropped without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            name = self.construct_object(key)
            if name in seen:
                problem = f"the key {name!r} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """What the text says; None for an empty one. Raises yaml.YAMLError."""
    return yaml.load(text, _Loader)
