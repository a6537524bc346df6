"""The figures of the study, a line of JSON a run.

results = Results(Path("docs/objectives/demand.jsonl"))
results.has("grpo", seed=0)
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from objectives.figures import Figures


class Results:
    """A file of lines that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Figures]:
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines()
        return [msgspec.json.decode(line, type=Figures) for line in lines]

    def has(self, arm: str, seed: int) -> bool:
        return any(one.arm == arm and one.seed == seed for one in self.all())

    def add(self, figures: Figures) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(figures) + b"\n")
