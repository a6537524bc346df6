"""The filter of system calls, run by the kernel."""

from __future__ import annotations

import errno
import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from executor.sandbox.allowed_calls import ALLOWED
from executor.sandbox.call_numbers import NUMBERS
from executor.sandbox.seccomp import ADVICES, program

if program(memory_files=True) is None:
    pytest.skip("no filter for this architecture", allow_module_level=True)

COLUMN = 0 if platform.machine() == "x86_64" else 1
FILTERED = f"""
import ctypes, json, os, socket, sys
from executor.sandbox import syscalls
from executor.sandbox.call_numbers import NUMBERS
from executor.sandbox.seccomp import program
libc = ctypes.CDLL(None, use_errno=True)
syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
syscalls.filter_syscalls(program(memory_files=True))
def code(call, *arguments):
    number = call if isinstance(call, int) else NUMBERS[call][{COLUMN}]
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return ctypes.get_errno() if result < 0 else 0
"""


def filtered(code: str, *, memory_files: bool = True, gpus: bool = False) -> object:
    """What a filtered process prints as JSON."""
    begun = FILTERED.replace("memory_files=True", f"memory_files={memory_files}, gpus={gpus}")
    result = subprocess.run(
        [sys.executable, "-c", begun + code], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def header(name: str) -> dict[str, int]:
    """The numbers in one of the kernel's headers; skips where it is not installed."""
    path = Path("/usr/include") / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    defines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
    found = {call: int(number) for call, number in defines}
    # On 64 bits this is the generic call's name.
    return {"newfstatat": found.get("fstatat", -1), **found}


@pytest.mark.parametrize(
    ("column", "name"), [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")]
)
def test_the_numbers_agree_with_the_kernel_headers(column: int, name: str) -> None:
    known = header(name)
    assert {n: known.get(n) for n in NUMBERS} == {n: v[column] for n, v in NUMBERS.items()}


def test_no_number_stands_twice() -> None:
    for column in (0, 1):
        found = [numbers[column] for numbers in NUMBERS.values() if numbers[column] is not None]
        assert len(set(found)) == len(found)


def test_what_is_not_on_the_list_does_not_exist() -> None:
    known = {numbers[COLUMN] for numbers in NUMBERS.values()}
    # The kernel's own trampolines for probes: no filter sees them, and others end by a signal.
    known |= {335, 336} if COLUMN == 0 else set()
    others = [number for number in range(600) if number not in known]
    # x32's numbers, and the highest there is, too.
    others += [0x40000000, 0x40000001, 0x7FFFFFFF]
    errors = filtered(f"print(json.dumps([code(n, -1, -1, -1, -1, -1, -1) for n in {others}]))")
    assert errors == [errno.ENOSYS] * len(others)


def test_what_is_on_the_list_exists() -> None:
    # With arguments that are wrong for each of them.
    harmless = sorted(
        name
        for name in ALLOWED
        if NUMBERS[name][COLUMN] is not None
        and name in {"read", "write", "lseek", "fstat", "mbind", "connect", "getxattr", "waitid"}
    )
    errors = filtered(f"print(json.dumps([code(n, -1, -1, -1, -1, -1, -1) for n in {harmless}]))")
    assert isinstance(errors, list) and len(errors) == 8
    assert not {0, errno.ENOSYS, errno.EPERM} & set(errors)


def test_only_local_and_ip_sockets_can_be_made() -> None:
    errors = filtered("""
result = {}
for name in ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_PACKET", "AF_ALG"):
    try:
        socket.socket(getattr(socket, name), socket.SOCK_RAW if name == "AF_NETLINK" else 1)
        result[name] = 0
    except OSError as error:
        result[name] = error.errno
for protocol in (4, 15, 16):
    result[f"netlink {protocol}"] = code("socket", 16, 3, protocol)
pair = socket.socketpair()
result["cookie"] = code("getsockopt", pair[0].fileno(), 1, 57, bytes(8), bytes(4))
result["type"] = pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
print(json.dumps(result))
""")
    assert isinstance(errors, dict)
    assert [errors[name] for name in ("AF_UNIX", "AF_INET", "AF_NETLINK")] == [0, 0, 0]
    refused = ("AF_VSOCK", "AF_PACKET", "AF_ALG", "netlink 4", "netlink 15", "netlink 16", "cookie")
    assert [errors[name] for name in refused] == [errno.ENOSYS] * len(refused)
    assert errors["type"] == 1


def test_new_namespaces_are_refused_and_threads_and_children_are_not() -> None:
    found = filtered("""
import threading
seen = []
thread = threading.Thread(target=seen.append, args=[1])
thread.start(); thread.join()
child = os.fork()
if child == 0: os._exit(7)
flags = (0x10000000, 0x20000, 0x40000000)
namespaces = [code("clone", flag, 0, 0, 0, 0) for flag in flags]
print(json.dumps([seen, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), namespaces]))
""")
    assert found == [[1], 7, [errno.ENOSYS] * 3]


def test_locks_leases_and_notifications_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = filtered(f"""
import fcntl
file = open({str(tmp_path / "file")!r}, "r+")
def fails(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return error.errno
refused = [fails(fcntl.flock, file, fcntl.LOCK_SH), fails(fcntl.lockf, file, fcntl.LOCK_SH)]
# F_GETLK, F_SETLK, F_SETLKW, theirs of open files, F_SETLEASE, F_NOTIFY, F_SET_RW_HINT
for command in (5, 6, 7, 36, 37, 38, 1024, 1026, 1036):
    refused.append(fails(fcntl.fcntl, file, command, bytes(32)))
copy = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 0)
flags = fcntl.fcntl(copy, fcntl.F_GETFD)
print(json.dumps([refused, flags]))
""")
    assert found == [[errno.ENOSYS] * 11, 1]


def test_advice_is_for_allocators_only() -> None:
    found = filtered("""
import mmap
memory = mmap.mmap(-1, 8 * mmap.PAGESIZE)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
print(json.dumps({n: code("madvise", ctypes.c_void_p(start), 8 * mmap.PAGESIZE, n)
                  for n in (*range(0, 30), 100, 101)}))
""")
    assert isinstance(found, dict)
    refused = {int(number) for number, error in found.items() if error == errno.ENOSYS}
    assert refused == {*range(30), 100, 101} - set(ADVICES.values())
    assert found["4"] == found["10"] == 0  # DONTNEED, DONTFORK


def test_requests_about_inodes_do_not_exist_and_those_about_descriptors_do() -> None:
    found = filtered("""
file = os.open("/usr/bin/env", os.O_RDONLY)
word = ctypes.create_string_buffer(256)
# flags, FIEMAP, version, extended flags, freeze, clone, UUID, disk size; typing for others
about_inodes = (0x80086601, 0xC020660B, 0x80087601, 0x801C581F, 0xC0045877, 0x40049409,
                0x80111500, 0x80081272, 0x5412, 0x5423)
refused = [code("ioctl", file, ctypes.c_uint32(n), word) for n in about_inodes]
readers, writers = os.pipe()
os.write(writers, b"123")
code("ioctl", readers, 0x541B, word)
print(json.dumps([refused, int.from_bytes(word[:4], "little"), os.isatty(file)]))
""")
    assert found == [[errno.ENOSYS] * 10, 3, False]


@pytest.mark.parametrize("admitted", [True, False])
def test_a_file_in_memory_needs_a_control_group(admitted: bool) -> None:
    call = 'print(json.dumps([code("memfd_create", b"x", 0), code("getpid")]))'
    result = filtered(call, memory_files=admitted)
    assert result == [0 if admitted else errno.ENOSYS, 0]


def test_with_gpus_there_is_what_their_driver_asks_for_and_nothing_else() -> None:
    asked = 'code("memfd_create", b"x", 0), code("sysinfo", bytes(128)), code("pidfd_open", 1, 0)'
    call = f"print(json.dumps([{asked}]))"
    assert filtered(call, memory_files=False, gpus=True) == [0, 0, errno.ENOSYS]
    assert filtered(call, memory_files=False) == [errno.ENOSYS] * 3


def test_the_program_is_whole_instructions() -> None:
    for code in (program(memory_files=True, gpus=True), program(memory_files=False)):
        assert code is not None and len(code) % 8 == 0 and len(code) // 8 < 4096
