"""Which of the host's files are in a box: an allow-list of the system, and the interpreter.

Left out by not being named: homes, keys, stores, prepared data, sockets, /etc but for a few files.
Left out below what is named: this project's own packages, and what the box hides.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
)
_PROJECT = ("executor", "gym_envs", "ideator_rl")
_GPU_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")


@cache
def visible_paths() -> tuple[Path, ...]:
    """What is bound read-only, outer folders first, none below another; links among them."""
    interpreter = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    interpreter |= {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    interpreter |= {str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)}
    if site.ENABLE_USER_SITE:
        interpreter.add(site.getusersitepackages())
    for name in ("LD_LIBRARY_PATH", "CUDA_HOME"):
        interpreter |= {path for path in os.environ.get(name, "").split(":") if path}
    found: list[Path] = []
    for path in sorted({Path(name) for name in (*_SYSTEM, *interpreter)}):
        if path.exists() and path != Path("/") and not _is_below(path, found):
            found.append(path)
    return tuple(found)


def parent_folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The folders that must be made before the paths can be bound, outer ones first."""
    return tuple(sorted({parent for path in paths for parent in path.parents[:-1]}))


@lru_cache(maxsize=8)
def masked_paths(hidden: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files and folders to cover: the project's packages and `hidden`, where visible."""
    packages = Path(__file__).parents[2]
    found: list[Path] = []
    for path in sorted(_seen_as([*(packages / name for name in _PROJECT), *hidden])):
        if not _is_below(path, found):
            found.append(path)
    return tuple(found)


def _seen_as(paths: Iterable[Path]) -> set[Path]:
    """Every name under which a path can be seen in a box, links followed."""
    names = set()
    for path in paths:
        for name in (path, path.resolve()):
            for shown in visible_paths():
                for outer in (shown, shown.resolve()):
                    if name.exists() and _is_below(name, [outer]):
                        names.add(shown / name.relative_to(outer))
    return {name for name in names if not name.is_symlink()}


def gpu_devices() -> tuple[Path, ...]:
    """The device nodes of the GPUs that CUDA_VISIBLE_DEVICES names, and those they share."""
    every = sorted(Path("/dev").glob("nvidia[0-9]*"), key=lambda path: int(path.name[6:]))
    numbers = gpu_numbers()
    own = every if numbers is None else [every[n] for n in numbers if n < len(every)]
    shared = (Path("/dev") / name for name in (*_GPU_DEVICES, "nvidia-caps"))
    return (*own, *(path for path in shared if path.exists()))


def gpu_numbers() -> list[int] | None:
    """The GPUs that CUDA_VISIBLE_DEVICES names, counted among this machine's; None for all of them,
    or where it names them by another id."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [int(name) for name in names] if all(map(str.isdigit, names)) else None


def gpu_names() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES would name them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name]
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)
