"""System calls that no training run needs: they fail with EPERM in the box.

What namespaces and dropped capabilities do not cover, or cover only as long as the kernel has no
hole there: sockets of other families than local and IP ones (vsock reaches a host through every
network namespace), the kernel's key rings (which outlive a trial), tracing of other processes,
new namespaces and mounts, BPF, io_uring, the clocks, and the cores of other trials.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from functools import cache

# name: (number on x86_64, number on aarch64)
DENIED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "acct": (163, 89),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "sched_setaffinity": (203, 122),
}
_SOCKET, _CLONE = (41, 198), (56, 220)
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# user, mount, pid, net, ipc, uts and cgroup namespaces
_NEW_NAMESPACES = 0x7E020000
# Offsets in struct seccomp_data: number, architecture, low half of the first argument.
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_DENY = 0x00050000 | errno.EPERM
_NO_SUCH_CALL = 0x00050000 | errno.ENOSYS


@cache
def program() -> bytes | None:
    """The filter as the kernel reads it; None on an architecture that is not in the table."""
    if platform.machine() not in _ARCHITECTURES:
        return None
    architecture, column = _ARCHITECTURES[platform.machine()]
    code = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
    ]
    if column == 0:
        # The x32 calls of a 64-bit kernel are the same calls under other numbers.
        code += [_line(_AT_LEAST, 0x40000000, 0, 1), _line(_RETURN, _DENY)]
    for numbers in DENIED.values():
        code += [_line(_EQUAL, numbers[column], 0, 1), _line(_RETURN, _DENY)]
    # clone3 hides its flags behind a pointer; the C library falls back to clone.
    code += [_line(_EQUAL, 435, 0, 1), _line(_RETURN, _NO_SUCH_CALL)]
    code += [
        _line(_EQUAL, _CLONE[column], 0, 4),
        _line(_LOAD, _ARGUMENT),
        _line(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _line(_RETURN, _DENY),
        _line(_RETURN, _ALLOW),
        _line(_EQUAL, _SOCKET[column], 0, len(_FAMILIES) + 2),
        _line(_LOAD, _ARGUMENT),
    ]
    for i, family in enumerate(_FAMILIES):
        code.append(_line(_EQUAL, family, len(_FAMILIES) - i, 0))
    code += [_line(_RETURN, _DENY), _line(_RETURN, _ALLOW)]
    return b"".join(code)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
