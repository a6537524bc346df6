"""Everything about one GPU in one command, in ten minutes at most, without a network or a download.

    python benchmarks/gpu.py [--minutes 10] [--out store/gpu] [--only training,grpo]
    python benchmarks/gpu.py --device cpu --tiny      # each section on a processor, in a minute

Measured are nanogpt-1gpu's training beside plain training, CUDA and torch.compile inside the
sandbox, the examination, the loss curve of a short trial, and grpo's rollout and update. Each
section stands for itself: one that fails, or runs out of its time, leaves a line that says so, and
the end of its log below `logs/`. Results are in gpu.json and gpu.md, written after each section;
`--only` adds to those that are there. The sections are modules of the folder `gpu`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_NEEDED = ("msgspec", "numpy", "torch")


def start() -> None:
    """Runs from a checkout that is not installed, too: every process that is started finds it."""
    root = str(Path(__file__).resolve().parents[1])
    sys.path.insert(0, root)
    paths = filter(None, (root, os.environ.get("PYTHONPATH")))
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        sys.exit(f"missing: {', '.join(missing)}; run in the project's folder: pip install .")
    from gpu.command import main

    main()


if __name__ == "__main__":
    start()
