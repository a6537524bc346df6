"""The few Linux system calls that Python has no function for; each raises OSError.

unshare(NEWNS)
mount("tmpfs", "/mnt", "tmpfs", NOSUID | NODEV, "size=1m")

It imports little: each process in a box begins as a fork of one that has imported it.
"""

from __future__ import annotations

import ctypes
import os
import struct

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
RDONLY, NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE, SLAVE = (
    1,
    2,
    4,
    8,
    4096,
    16384,
    1 << 18,
    1 << 19,
)
DETACH = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AF_INET, _SOCK_DGRAM, _SIOCSIFFLAGS = 2, 2, 0x8914

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode() or None)
    _check(_libc.mount(*words, flags, options.encode() or None), f"mount {target}")


def bind(source: str, target: str, *, read_only: bool) -> None:
    """Binds a file or a tree with all that is mounted in it; no devices, no setuid."""
    mount(source, target, flags=BIND | REC)
    attributes = _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_RDONLY if read_only else 0)
    _set_attributes(target, attributes)


def make_read_only(target: str) -> None:
    _set_attributes(target, _ATTR_RDONLY, recursive=False)


def _set_attributes(target: str, attributes: int, recursive: bool = True) -> None:
    # struct mount_attr: what to set, what to clear, propagation, user namespace.
    attr = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    result = _libc.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), flags, ctypes.byref(attr), 32
    )
    _check(result, f"mount_setattr {target}")


def unmount(target: str) -> None:
    _check(_libc.umount2(os.fsencode(target), DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    _check(_libc.syscall(_PIVOT_ROOT, os.fsencode(new), os.fsencode(old)), "pivot_root")


def raise_loopback() -> None:
    """Brings up the loopback interface, which is down in a new network namespace."""
    # struct ifreq: its name, IFF_UP.
    request = struct.pack("16sH22x", b"lo", 1)
    descriptor = _libc.socket(_AF_INET, _SOCK_DGRAM, 0)
    _check(descriptor, "socket")
    try:
        _check(_libc.ioctl(descriptor, _SIOCSIFFLAGS, request), "raising lo")
    finally:
        os.close(descriptor)


def set_hostname(name: str) -> None:
    _check(_libc.sethostname(name.encode(), len(name)), "sethostname")


def prctl(option: int, *values: int) -> None:
    words = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *words), f"prctl {option}")


def drop_capabilities() -> None:
    """Empties this process's sets of capabilities, for good with `no_new_privs`. The bounding set
    is another one, which has to be dropped before."""
    # struct __user_cap_header_struct and two __user_cap_data_structs: version 3, this process.
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(none)), "capset")


def filter_syscalls(program: bytes) -> None:
    """Installs a seccomp program for this process and what it becomes."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    held = Program(len(program) // 8, program)
    result = _libc.prctl(
        PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(held), ctypes.c_ulong(0), ctypes.c_ulong(0)
    )
    _check(result, "seccomp")
