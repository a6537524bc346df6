"""Which of the host's files are in a box: an allow-list of the system, and the interpreter.

Left out by not being named: homes, keys, stores, prepared data, sockets, /etc but for a few files.
Left out below what is named: this project's own packages, and what the box hides. Where variables
name folders for the loader or the CUDA toolkit, only what these need of them is seen.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator
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
_TOOLKIT = ("bin", "extras", "include", "nvml", "nvvm", "targets")
_GPU_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")


@cache
def visible_paths(gpus: bool = True) -> tuple[Path, ...]:
    """What is bound read-only, outer folders first, none below another; links among them.

    Args:
        gpus: whether the box has GPUs, and so the CUDA toolkit. With them these are all the roots
            in which a copy of held-out data can be seen.
    """
    found: list[Path] = []
    for path in sorted({*_whole_paths(gpus), *_loader_folders(gpus)}):
        if not _is_below(path, found):
            found.append(path)
    return tuple(found)


@cache
def _whole_paths(gpus: bool) -> frozenset[Path]:
    """What is seen with all that is in it."""
    interpreter = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    interpreter |= {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    interpreter |= {str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)}
    if site.ENABLE_USER_SITE:
        interpreter.add(site.getusersitepackages())
    toolkit = [home / name for home in _named("CUDA_HOME") for name in _TOOLKIT] if gpus else []
    paths = {Path(name) for name in (*_SYSTEM, *interpreter)}.union(toolkit)
    return frozenset(path for path in paths if path.exists() and path != Path("/"))


@cache
def _loader_folders(gpus: bool) -> tuple[Path, ...]:
    """Folders of which only the files are seen, since a loader looks no deeper."""
    folders = _named("LD_LIBRARY_PATH")
    if gpus:
        folders += [home / name for home in _named("CUDA_HOME") for name in ("lib", "lib64")]
    whole = _whole_paths(gpus)
    return tuple(
        folder
        for folder in folders
        if folder.is_dir()
        and os.access(folder, os.R_OK | os.X_OK)
        and folder != Path("/")
        and not _is_below(folder, whole)
    )


def _named(variable: str) -> list[Path]:
    """The absolute paths that a variable lists."""
    words = os.environ.get(variable, "").split(os.pathsep)
    return [Path(os.path.normpath(word)) for word in words if os.path.isabs(word)]


def _below_loader_folders(gpus: bool) -> Iterator[Path]:
    """What is covered in them: every folder but the loader's own and those that are seen whole."""
    for folder in _loader_folders(gpus):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and entry.name != "glibc-hwcaps":
                yield from _all_but(Path(entry.path), _whole_paths(gpus))


def _all_but(path: Path, whole: Collection[Path]) -> Iterator[Path]:
    """The path, or the parts of it that lead to nothing that is seen whole."""
    if path in whole or path.is_symlink():
        return
    if not any(path in other.parents for other in whole):
        yield path
        return
    for part in path.iterdir():
        yield from _all_but(part, whole)


def is_link_at_root(path: Path) -> bool:
    """Whether a box has the path as a link, too, as many systems have /lib: it leads to what is
    seen, and covered, elsewhere."""
    return path.parent == Path("/") and path.is_symlink()


def parent_folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The folders that must be made before the paths can be bound, outer ones first."""
    return tuple(sorted({parent for path in paths for parent in path.parents[:-1]}))


@lru_cache(maxsize=8)
def masked_paths(hidden: tuple[Path, ...], gpus: bool = True) -> tuple[Path, ...]:
    """The files and folders to cover: the project's packages and `hidden`, where visible, and what
    no loader needs of its folders."""
    packages = Path(__file__).parents[2]
    found: list[Path] = []
    seen = _seen_as([*(packages / name for name in _PROJECT), *hidden], gpus)
    for path in sorted(seen.union(_below_loader_folders(gpus))):
        if not _is_below(path, found):
            found.append(path)
    return tuple(found)


def _seen_as(paths: Iterable[Path], gpus: bool) -> set[Path]:
    """Every name under which a path can be seen in a box, links followed."""
    names = set()
    for path in paths:
        for name in (path, path.resolve()):
            for shown in visible_paths(gpus):
                if is_link_at_root(shown):
                    continue
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
