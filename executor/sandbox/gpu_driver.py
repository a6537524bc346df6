"""Has NVIDIA's driver make its device nodes, before a box is built that shows them.

CUDA does so by itself at its first use after a machine's start, through the setuid program
nvidia-modprobe: https://man.archlinux.org/man/nvidia-modprobe.1. In a box no program gains rights.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

DEVICES = Path("/dev")
_LONGEST_S = 30


def make_device_nodes() -> None:
    """Makes /dev/nvidia-uvm where there is a driver without it; does nothing elsewhere."""
    if not (DEVICES / "nvidiactl").exists() or (DEVICES / "nvidia-uvm").exists():
        return
    if program := shutil.which("nvidia-modprobe"):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run([program, "-u", "-c=0"], capture_output=True, timeout=_LONGEST_S)
