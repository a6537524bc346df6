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

from executor.sandbox.seccomp import DENIED, program

if program() is None:
    pytest.skip("no filter for this architecture", allow_module_level=True)

FILTERED = """
import ctypes, json, os, socket, sys
from executor.sandbox import syscalls
from executor.sandbox.seccomp import program
libc = ctypes.CDLL(None, use_errno=True)
syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
syscalls.filter_syscalls(program())
def code(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return ctypes.get_errno() if result < 0 else 0
"""


def filtered(code: str) -> object:
    """What a filtered process prints as JSON."""
    result = subprocess.run(
        [sys.executable, "-c", FILTERED + code], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def test_every_call_of_the_table_is_denied() -> None:
    column = 0 if platform.machine() == "x86_64" else 1
    numbers = [numbers[column] for numbers in DENIED.values()]
    # Arguments that would do no harm if a call went through.
    errors = filtered(f"print(json.dumps([code(n, -1, -1, -1, -1, -1) for n in {numbers}]))")
    assert errors == [errno.EPERM] * len(DENIED)


def test_only_local_and_ip_sockets_can_be_made() -> None:
    errors = filtered("""
result = {}
for name in ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_PACKET", "AF_ALG"):
    try:
        socket.socket(getattr(socket, name), socket.SOCK_RAW if name == "AF_NETLINK" else 1)
        result[name] = 0
    except OSError as error:
        result[name] = error.errno
print(json.dumps(result))
""")
    assert isinstance(errors, dict)
    assert [errors[name] for name in ("AF_UNIX", "AF_INET", "AF_NETLINK")] == [0, 0, 0]
    assert [errors[name] for name in ("AF_VSOCK", "AF_PACKET", "AF_ALG")] == [errno.EPERM] * 3


def test_new_namespaces_are_denied_and_threads_and_children_are_not() -> None:
    clone = 56 if platform.machine() == "x86_64" else 220
    found = filtered(f"""
import threading
seen = []
thread = threading.Thread(target=seen.append, args=[1])
thread.start(); thread.join()
child = os.fork()
if child == 0: os._exit(7)
namespaces = [code({clone}, flag, 0, 0, 0, 0) for flag in (0x10000000, 0x20000, 0x40000000)]
print(json.dumps([seen, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), namespaces]))
""")
    assert found == [[1], 7, [errno.EPERM] * 3]


def test_the_table_agrees_with_the_kernel_headers() -> None:
    headers = {
        0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        1: Path("/usr/include/asm-generic/unistd.h"),
    }
    there = {column: path for column, path in headers.items() if path.is_file()}
    if not there:
        pytest.skip("no kernel headers")
    for column, path in there.items():
        defines = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text())
        known = {name: int(number) for name, number in defines}
        wrong = {n: v for n, v in DENIED.items() if n in known and known[n] != v[column]}
        assert wrong == {}


def test_the_program_is_whole_instructions() -> None:
    code = program()
    assert code is not None and len(code) % 8 == 0 and len(code) // 8 < 4096
