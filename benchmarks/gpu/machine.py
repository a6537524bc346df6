"""What the figures were measured on: card, driver, PyTorch, CUDA, cores. Asked in processes of
their own, so that the benchmark itself holds no memory of the GPU."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Any

from executor.workers.local import available_cores

_LONGEST_S = 120
_TORCH = """
import json, torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "gpus": torch.cuda.device_count()}
if found["gpus"]:
    card = torch.cuda.get_device_properties(0)
    found |= {"card": card.name, "memory_gb": round(card.total_memory / 2**30, 1)}
    found |= {"capability": f"{card.major}.{card.minor}", "processors": card.multi_processor_count}
print(json.dumps(found))
"""
_QUERY = "driver_version,power.limit"


def facts() -> dict[str, Any]:
    """What is known of the machine. Raises RuntimeError where PyTorch cannot be asked."""
    done = subprocess.run(
        [sys.executable, "-c", _TORCH], capture_output=True, text=True, timeout=_LONGEST_S
    )
    if done.returncode:
        raise RuntimeError(f"PyTorch does not start: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return found | {
        "driver": driver(),
        "cores": len(available_cores()),
        "host_memory_gb": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))), "none"),
    }


def driver() -> str:
    """The first GPU's driver and limit of power, in nvidia-smi's words; empty without one."""
    if (program := shutil.which("nvidia-smi")) is None:
        return ""
    command = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S)
        return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""
    return ""


def in_words(found: dict[str, Any]) -> str:
    """One line for the head of the results."""
    card = f"{found['card']}, {found['memory_gb']} GiB" if found["gpus"] else "no GPU"
    parts = [
        card,
        f"driver {found['driver'] or 'none'}",
        f"PyTorch {found['torch']}",
        f"CUDA {found['cuda'] or 'none'}",
        f"{found['cores']} cores",
        f"{found['host_memory_gb']:.0f} GiB of memory",
        f"Linux {found['kernel']}",
    ]
    return "; ".join(parts)
