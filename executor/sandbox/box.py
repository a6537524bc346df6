"""The view and the limits of one sandboxed process tree: its folders, its data, its resources.

    >>> box = Box(work=Path("trial/train"), scratch=Path("trial/train-scratch"))
    >>> box.limits.memory_mib
    2048

A box only describes. `sandbox.py` starts a process in it, and the level of the sandbox decides what
is enforced: under `none` nothing is hidden or limited, and paths are those of the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# A top-level folder of our own, so that no other mount can cover it.
INSIDE = Path("/ideator")
WORK, DATA, TOOLS = INSIDE / "work", INSIDE / "data", INSIDE / "tools"


@dataclass(frozen=True)
class Limits:
    """Upper bounds for all processes of a box together, in MiB, counts and CPU seconds.

    `open_files` and `cpu_seconds` hold for each process; the second is a backstop behind the
    budget. `disk_mib` bounds the trial's whole folder, which training and candidate share.
    """

    memory_mib: int = 2048
    disk_mib: int = 1024
    processes: int = 256
    open_files: int = 4096
    cpu_seconds: int = 3600


@dataclass(frozen=True)
class Box:
    """Host paths and limits of one sandboxed process tree.

    Args:
        work: its current folder, writable.
        scratch: holds what it sees as /tmp and /dev/shm.
        data: a folder that it can only read.
        hidden: paths that it must not see, wherever they lie.
        tools: files that appear below `/ideator/tools`, by name.
        limits: upper bounds of resources.
        gpus: whether it sees the device nodes of GPUs.
    """

    work: Path
    scratch: Path
    data: Path | None = None
    hidden: tuple[Path, ...] = ()
    tools: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = Limits()
    gpus: bool = False
