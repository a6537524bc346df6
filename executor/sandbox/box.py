"""What a locked-in process finds around it.

    box = Box(work=folder / "train", scratch=folder / "train-scratch", data=data, limits=Limits())

The same box under every lock; how much of it holds is the lock's matter (see `locks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# One folder of our own at the top: whatever else is mounted there cannot get in its way.
INSIDE = Path("/ideator")
WORK, DATA, TOOLS = INSIDE / "work", INSIDE / "data", INSIDE / "tools"


@dataclass(frozen=True)
class Limits:
    """Upper bounds for all processes of a box together, except `open_files` (for each).

    `disk_mib` holds for the whole trial; `cpu_seconds` is a backstop behind the budget.
    """

    memory_mib: int = 2048
    disk_mib: int = 1024
    processes: int = 256
    open_files: int = 4096
    cpu_seconds: int = 3600


@dataclass(frozen=True)
class Box:
    """Host paths and limits of one locked-in process tree.

    `work` is its writable current folder, `scratch` holds what it sees as /tmp and /dev/shm,
    `data` can be read, `hidden` cannot be seen wherever it lies, `tools` maps names in
    `/ideator/tools` to files. `gpus`: whether the GPU's device nodes are there.
    """

    work: Path
    scratch: Path
    data: Path | None = None
    hidden: tuple[Path, ...] = ()
    tools: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = Limits()
    gpus: bool = False
