"""What every section is told, and what it gives back.

at = Setting(out=Path("store/gpu"), cuda=True, tiny=False, card="NVIDIA H200", memory_gb=139.0, …)
section = Section([Figure("tokens a second", "520,000"), Figure("MFU", "47 %", ">= 45 %")])
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from executor.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PROBLEMS = ROOT / "gym_envs"


class Skipped(Exception):
    """A section cannot run here: the reason, in one line."""


@dataclass(frozen=True)
class Setting:
    """Where and how to measure.

    Args:
        out: the folder of results and logs.
        cuda: whether to measure a GPU; else the processor.
        tiny: whether everything is as small as it can be.
        card: the GPU's name; empty without one.
        memory_gb: of the GPU.
        cores: that this process may use.
        sandbox: what locks trials in.
        end: of the section, by the monotonic clock.
    """

    out: Path
    cuda: bool
    tiny: bool
    card: str
    memory_gb: float
    cores: int
    sandbox: Sandbox
    end: float

    @property
    def gpus(self) -> int:
        return 1 if self.cuda else 0

    @property
    def work(self) -> Path:
        """For what is needed during the run only."""
        return self.out / "work"

    def left(self) -> float:
        """Seconds of the section."""
        return self.end - time.monotonic()

    def log(self, name: str, text: str) -> str:
        """Keeps the end of a log; returns its path from the results on."""
        (self.out / "logs").mkdir(parents=True, exist_ok=True)
        (self.out / "logs" / f"{name}.log").write_text(text[-200_000:])
        return f"logs/{name}.log"


@dataclass(frozen=True)
class Figure:
    """One row of the table: what was measured, the value in words, and what it should be."""

    what: str
    value: str
    target: str = ""


@dataclass(frozen=True)
class Section:
    """What a section found: rows of the table, remarks in one line each, and all as plain JSON."""

    figures: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
