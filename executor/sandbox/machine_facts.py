"""Hides the machine-wide figures of /proc: trials could send each other bits through its counters.

    for source, place in covers(box):       # binds, in a new /proc
        ...

An allow-list: processes, links and a few constants of the kernel stay; where a library asks how
large the machine is, it reads a file that says how large the box is; anything else cannot be read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from executor.sandbox.box import Box
from executor.sandbox.tree import write_tree

_PROC = Path("/proc")
# The same at every look, on every kernel.
_CONSTANT = {
    "acpi",
    "bus",
    "cmdline",
    "config.gz",
    "consoles",
    "crypto",
    "devices",
    "dma",
    "execdomains",
    "filesystems",
    "iomem",
    "ioports",
    "kallsyms",
    "misc",
    "mtrr",
    "partitions",
    "sysvipc",  # of the ipc namespace
    "tty",
    "version",
}
# What C libraries, allocators and servers ask for.
_SETTINGS = (
    "kernel/cap_last_cap",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/pid_max",
    "kernel/threads-max",
    "net/core/somaxconn",
    "vm/max_map_count",
    "vm/mmap_min_addr",
    "vm/overcommit_memory",
)


def covers(box: Box) -> list[tuple[str, str]]:
    """Writes the files that stand for the machine's, and says what goes over what.

    They lie beside the box's scratch folder, once for both halves of a trial.
    """
    texts = _texts(box.limits.memory_mib)
    folder = f"{box.scratch.parent}/machine-{box.limits.memory_mib}"
    empty = f"{folder}/empty"
    if not os.path.exists(folder):
        os.makedirs(empty)
        write_tree(folder, texts)
    found = []
    for name, is_folder in _changing().items():
        if name == "driver" and box.gpus:
            # CUDA asks its driver's version and the numbers of its devices there.
            continue
        written = name == "sys" or name in texts
        source = f"{folder}/{name}" if written else empty if is_folder else "/dev/null"
        found.append((source, f"/proc/{name}"))
    return found


@cache
def _changing() -> Mapping[str, bool]:
    """The readable entries of /proc that are no constants, and whether they are folders."""
    found = {}
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() or entry.is_symlink() or entry.name in _CONSTANT:
            continue
        state = entry.stat(follow_symlinks=False)
        if state.st_mode & stat.S_IROTH:
            found[entry.name] = entry.is_dir(follow_symlinks=False)
    return found


@cache
def _texts(memory_mib: int) -> Mapping[str, bytes]:
    """By name below /proc, what a box reads there: taken once, and the same for each box."""
    kib = memory_mib * 1024
    sizes = {"MemTotal": kib, "MemFree": kib, "MemAvailable": kib}
    sizes |= dict.fromkeys(("Buffers", "Cached", "SwapCached", "Active", "Inactive"), 0)
    sizes |= dict.fromkeys(("SwapTotal", "SwapFree", "Shmem", "Slab", "SReclaimable"), 0)
    processors = range(os.cpu_count() or 1)
    idle = " 0" * 10 + "\n"
    [booted] = [
        line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime")
    ]
    texts = {
        # The clock's speed changes with the load.
        "cpuinfo": "".join(
            line
            for line in (_PROC / "cpuinfo").read_text().splitlines(keepends=True)
            if "MHz" not in line
        ),
        "loadavg": "0.00 0.00 0.00 1/1 1\n",
        "meminfo": "".join(f"{name}: {size:10} kB\n" for name, size in sizes.items()),
        "stat": f"cpu {idle}" + "".join(f"cpu{n}{idle}" for n in processors) + f"{booted}\n",
    }
    for name in _SETTINGS:
        path = _PROC / "sys" / name
        if path.exists():
            texts[f"sys/{name}"] = path.read_text()
    return {name: text.encode() for name, text in texts.items()}
