"""The filter of system calls: one that is not on the list does not exist in the box (ENOSYS).

    filter_syscalls(program(memory_files=True))      # for this process and all that it starts

Libraries fall back from a call that does not exist, as on an older kernel; `clone3`, which hides
its flags behind a pointer, is such a call. Some calls exist for some arguments only: those are
listed here, the others in `allowed_calls`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from functools import cache

from executor.sandbox.allowed_calls import ALLOWED, FOR_GPUS
from executor.sandbox.call_numbers import NUMBERS

# user, mount, pid, net, ipc, uts and cgroup namespaces
NEW_NAMESPACES = 0x7E020000
# Descriptors of processes, whose inodes count those of the whole machine.
CLONE_PIDFD, SO_PASSPIDFD, SO_PEERPIDFD = 0x1000, 76, 77
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
# Copies, flags and seals of a descriptor. No locks, leases, notifications or write hints, which
# belong to the inode and so to every box that sees the file.
FCNTL_COMMANDS = (
    fcntl.F_DUPFD,
    fcntl.F_GETFD,
    fcntl.F_SETFD,
    fcntl.F_GETFL,
    fcntl.F_SETFL,
    fcntl.F_DUPFD_CLOEXEC,
    1033,  # F_ADD_SEALS
    1034,  # F_GET_SEALS
)
# What allocators and forks ask for. No advice on files, which is kept in the page cache, and no
# merging of equal pages.
ADVICES = {
    "DONTNEED": 4,
    "FREE": 8,
    "DONTFORK": 10,
    "DOFORK": 11,
    "HUGEPAGE": 14,
    "NOHUGEPAGE": 15,
    "DONTDUMP": 16,
    "DODUMP": 17,
    "WIPEONFORK": 18,
    "KEEPONFORK": 19,
}
PRCTL_OPTIONS = {
    "SET_PDEATHSIG": 1,
    "GET_PDEATHSIG": 2,
    "GET_DUMPABLE": 3,
    "SET_DUMPABLE": 4,
    "GET_KEEPCAPS": 7,
    "SET_KEEPCAPS": 8,
    "SET_NAME": 15,
    "GET_NAME": 16,
    "GET_SECCOMP": 21,
    "CAPBSET_READ": 23,
    "CAPBSET_DROP": 24,
    "GET_SECUREBITS": 27,
    "SET_TIMERSLACK": 29,
    "GET_TIMERSLACK": 30,
    "SET_CHILD_SUBREAPER": 36,
    "GET_CHILD_SUBREAPER": 37,
    "SET_NO_NEW_PRIVS": 38,
    "GET_NO_NEW_PRIVS": 39,
    "GET_TID_ADDRESS": 40,
    "SET_THP_DISABLE": 41,
    "GET_THP_DISABLE": 42,
    "CAP_AMBIENT": 47,
    "SVE_SET_VL": 50,
    "SVE_GET_VL": 51,
    "PAC_RESET_KEYS": 54,
    "SET_TAGGED_ADDR_CTRL": 55,
    "GET_TAGGED_ADDR_CTRL": 56,
    "SME_SET_VL": 63,
    "SME_GET_VL": 64,
    "SET_VMA": 0x53564D41,
}
# Second bytes of the requests that read or change an inode, its blocks, a file system or a disk:
# FS_IOC_*FLAGS and FIEMAP, *VERSION, FREEZE and *XATTR, FICLONE, GETUUID, BLK*. The others are of
# terminals, sockets and GPUs' drivers, whose own are too many to name.
REFUSED_REQUESTS = (0x66, 0x76, 0x58, 0x94, 0x15, 0x12)
# TIOCSTI types for others; TIOCLINUX and TIOCCONS are the console's; TIOCSETD loads modules.
REFUSED_TERMINAL_REQUESTS = (0x5412, 0x541C, 0x541D, 0x5423)
# SO_COOKIE and SO_NETNS_COOKIE count the sockets of the whole machine.
REFUSED_SOCKET_OPTIONS = (57, 71, SO_PASSPIDFD, SO_PEERPIDFD)

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# Offsets in struct seccomp_data: number, architecture, low halves of the arguments.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, (16, 24, 32)
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_NO_SUCH_CALL = 0x00050000 | errno.ENOSYS


@cache
def program(*, memory_files: bool, gpus: bool = False) -> bytes | None:
    """The filter as the kernel reads it; None on an architecture that is not in the table.

    `memory_files` admits files in memory without a name, which only a control group bounds: sent
    over a socket and closed, they are in no process's account. `gpus` admits what CUDA's driver
    asks for, such files among it.
    """
    if os.uname().machine not in _ARCHITECTURES:
        return None
    architecture, column = _ARCHITECTURES[os.uname().machine]
    code = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, architecture, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
    ]
    for name, decision in _by_argument().items():
        code += [_line(_EQUAL, NUMBERS[name][column] or 0, 0, len(decision)), *decision]
    allowed = ALLOWED if memory_files else ALLOWED - {"memfd_create"}
    allowed |= FOR_GPUS if gpus else frozenset()
    for first, last in _ranges(NUMBERS[name][column] for name in allowed):
        # In rising order: what is below this range is in none.
        code += [_line(_AT_LEAST, first, 1, 0), _line(_RETURN, _NO_SUCH_CALL)]
        code += [_line(_AT_LEAST, last + 1, 1, 0), _line(_RETURN, _ALLOW)]
    # Also the x32 calls of a 64-bit kernel: the same ones, under numbers above all others.
    code.append(_line(_RETURN, _NO_SUCH_CALL))
    return b"".join(code)


def _by_argument() -> dict[str, list[bytes]]:
    """By call, what is decided by an argument: each list ends with a return."""
    terminal = [_line(_LOAD, _ARGUMENTS[1]), *_returns(REFUSED_TERMINAL_REQUESTS, _NO_SUCH_CALL)]
    request = [_line(_AND, 0xFF00), *_returns([kind << 8 for kind in REFUSED_REQUESTS])]
    return {
        "clone": [
            _line(_LOAD, _ARGUMENTS[0]),
            _line(_ANY_BIT, NEW_NAMESPACES | CLONE_PIDFD, 0, 1),
            _line(_RETURN, _NO_SUCH_CALL),
            _line(_RETURN, _ALLOW),
        ],
        "fcntl": _only(1, FCNTL_COMMANDS),
        "ioctl": [*terminal, *request, _line(_RETURN, _ALLOW)],
        "madvise": _only(2, ADVICES.values()),
        "prctl": _only(0, PRCTL_OPTIONS.values()),
        "socketpair": _only(0, [socket.AF_UNIX]),
        "socket": [
            _line(_LOAD, _ARGUMENTS[0]),
            # Of netlink, interfaces and routes only: protocol 0.
            _line(_EQUAL, socket.AF_NETLINK, 0, 3),
            _line(_LOAD, _ARGUMENTS[2]),
            _line(_EQUAL, 0, 0, 1),
            _line(_RETURN, _ALLOW),
            *_only(0, [family for family in FAMILIES if family != socket.AF_NETLINK]),
        ],
        "getsockopt": _socket_option(),
        "setsockopt": _socket_option(),
    }


def _socket_option() -> list[bytes]:
    return [
        _line(_LOAD, _ARGUMENTS[1]),
        _line(_EQUAL, socket.SOL_SOCKET, 1, 0),
        _line(_RETURN, _ALLOW),
        _line(_LOAD, _ARGUMENTS[2]),
        *_returns(REFUSED_SOCKET_OPTIONS),
        _line(_RETURN, _ALLOW),
    ]


def _only(argument: int, values: Iterable[int]) -> list[bytes]:
    """Allows a call for these values of an argument and no other."""
    return [
        _line(_LOAD, _ARGUMENTS[argument]),
        *_returns(values, _ALLOW),
        _line(_RETURN, _NO_SUCH_CALL),
    ]


def _returns(values: Iterable[int], action: int = _NO_SUCH_CALL) -> list[bytes]:
    """Returns the action where what was loaded is one of the values; goes on elsewhere."""
    return [
        line for value in values for line in (_line(_EQUAL, value, 0, 1), _line(_RETURN, action))
    ]


def _ranges(numbers: Iterable[int | None]) -> Iterator[tuple[int, int]]:
    """The first and last of each run of successive numbers, in rising order."""
    found = sorted(number for number in numbers if number is not None)
    first = last = found[0]
    for number in found[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
