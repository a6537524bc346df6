"""Where a worker's trials lie: a mount namespace of its own, one small tmpfs a trial.

    enter_private_mounts()                      # once, while the process has one thread
    with trial_folder(path, disk_mib=512, files=50_000, mounted=True): ...

The tmpfs bounds the bytes and the number of files of a trial, and it disappears with the
worker, even if that is killed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from executor.sandbox import syscalls

LOGS_MIB = 64


def enter_private_mounts() -> None:
    """What is mounted from here on is seen by this process and its children only.

    An ordinary user becomes the same user in a user namespace. Raises OSError where the kernel
    does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        syscalls.unshare(syscalls.NEWNS)
    else:
        syscalls.unshare(syscalls.NEWNS | syscalls.NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    # What the host mounts later, a network folder for example, still arrives.
    syscalls.mount("none", "/", flags=syscalls.REC | syscalls.SLAVE)


@contextmanager
def trial_folder(path: Path, disk_mib: int, files: int, *, mounted: bool) -> Iterator[None]:
    """Makes the folder `path`, a tmpfs if `mounted`, and removes it with all that is in it.

    Its subfolder `logs` is another tmpfs: where the disk is full, a log can still say so.
    """
    path.mkdir(parents=True)
    logs = path / "logs"
    if mounted:
        _mount_tmpfs(path, disk_mib, files)
    logs.mkdir()
    if mounted:
        _mount_tmpfs(logs, LOGS_MIB, 100)
    try:
        yield
    finally:
        if mounted:
            syscalls.unmount(str(logs))
            syscalls.unmount(str(path))
        shutil.rmtree(path, ignore_errors=True)


def _mount_tmpfs(path: Path, size_mib: int, files: int) -> None:
    options = f"size={size_mib}m,nr_inodes={files},mode=0755"
    syscalls.mount("tmpfs", str(path), "tmpfs", syscalls.NOSUID | syscalls.NODEV, options)


def used_mib(folder: Path) -> float:
    """MiB in use on the file system of `folder`: what a trial takes, where it has its own."""
    state = os.statvfs(folder)
    return (state.f_blocks - state.f_bfree) * state.f_frsize / 2**20
