"""Which system calls a program asks for that its box does not have.

    refused_calls(at, script, env)      # {"sched_setaffinity": 16, "madvise 0x17": 2}

The filter of the box is the real one, but where it refuses a call, the kernel asks this process,
which counts the call and refuses it likewise: seccomp's user notifications, see seccomp_unotify(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

from executor.processes import processes
from executor.sandbox import Box, Limits, box_uid, namespaces, seccomp
from executor.sandbox.call_numbers import NUMBERS
from executor.sandbox.lock_in import lock_in, set_rlimits
from executor.sandbox.rlimits import rlimits
from executor.trial.command import environment

from gpu.setting import Setting

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_FILTER, _NEW_LISTENER = 1, 8
_REFUSE = 0x00050000 | errno.ENOSYS
_ASK = 0x7FC00000
_RETURN = 0x06
# The argument that decides about a call which exists for some only.
_DECIDES = {"fcntl": 1, "ioctl": 1, "madvise": 2, "prctl": 0, "socket": 0}
# struct seccomp_notif: id, pid, flags, then call, architecture, address, arguments; and the answer.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_HEADER = Path("/usr/include") / f"{platform.machine()}-linux-gnu" / "asm" / "unistd_64.h"


def refused_calls(at: Setting, script: str, env: dict[str, str]) -> dict[str, int] | None:
    """How often a Python script asked in vain for what; its log is kept. None where the sandbox is
    not the one of own namespaces."""
    program = seccomp.program(memory_files=at.sandbox.grouped, gpus=at.cuda)
    if at.sandbox.name != "namespaces" or program is None:
        return None
    folder = Path(tempfile.mkdtemp())
    try:
        return _watched(at, script, env, asking(program), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def asking(program: bytes) -> bytes:
    """The same filter, which asks where it would refuse."""
    words = [list(struct.unpack("<HBBI", program[n : n + 8])) for n in range(0, len(program), 8)]
    for word in words:
        if word[0] == _RETURN and word[3] == _REFUSE:
            word[3] = _ASK
    return b"".join(struct.pack("<HBBI", *word) for word in words)


def _watched(
    at: Setting, script: str, env: dict[str, str], program: bytes, folder: Path
) -> dict[str, int]:
    box = Box(
        folder / "work", folder / "scratch", limits=Limits(64 * 1024, 16 * 1024, 4096), gpus=at.cuda
    )
    root = box.scratch / "root"
    for path in (box.work, box.scratch / "tmp", box.scratch / "shm", root):
        path.mkdir(parents=True)
        os.chown(path, box_uid(), -1)
    (box.work / "script.py").write_text(script)
    ours, theirs = socket.socketpair()
    steps = [
        partial(set_rlimits, rlimits(box.limits, box_uid(), grouped=True)),
        partial(lock_in, namespaces.plan(box, box_uid(), root, None)),
        partial(_install, program, theirs),
    ]
    words = [sys.executable, "-B", "script.py"]
    clean = environment(at.sandbox, box, cpus=min(8, at.cores), extra=env)
    log, calls, ended = folder / "log", Counter[str](), threading.Event()
    # A thread, since the process may ask before it is started.
    answers = threading.Thread(target=_answer, args=(ours, calls, ended))
    answers.start()
    with log.open("wb") as output, ours, theirs:
        try:
            process = processes.start(
                words, cwd=box.work, env=clean, output=output.fileno(), before=steps
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(10.0, at.left()))
            process.kill()
            process.wait()
        finally:
            ended.set()
            answers.join()
    at.log("refused_calls", log.read_text(errors="replace"))
    return dict(calls)


def _install(program: bytes, sender: socket.socket) -> None:
    """Puts the filter on this process, and sends away the descriptor on which it asks."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    held = Program(len(program) // 8, program)
    libc = ctypes.CDLL(None, use_errno=True)
    words = (_SECCOMP[platform.machine()], _SET_FILTER, _NEW_LISTENER, ctypes.byref(held))
    listener = libc.syscall(*words)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp notifications")
    socket.send_fds(sender, [b"+"], [listener])


def _answer(sender: socket.socket, calls: Counter[str], ended: threading.Event) -> None:
    """Counts and refuses, until it is all over."""
    names = _names()
    listener = -1
    while not ended.is_set():
        if not select.select([listener if listener >= 0 else sender], [], [], 0.1)[0]:
            continue
        if listener < 0:
            listener = socket.recv_fds(sender, 1, 1)[1][0]
            continue
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, asked)
            identity, number, *arguments = struct.unpack_from("<Q8xi12x6Q", asked)
            fcntl.ioctl(listener, _SEND, struct.pack("<QqiI", identity, 0, -errno.ENOSYS, 0))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # who asked has ended
                break
            continue
        name = names.get(number, f"call {number}")
        if name in _DECIDES:
            name += f" {arguments[_DECIDES[name]] & 0xFFFFFFFF:#x}"
        calls[name] += 1
    if listener >= 0:
        os.close(listener)


def _names() -> dict[int | None, str]:
    """The calls by number: all of them where the kernel's headers are installed."""
    column = 0 if platform.machine() == "x86_64" else 1
    names = {numbers[column]: name for name, numbers in NUMBERS.items()}
    if _HEADER.is_file():
        found = re.findall(r"#define __NR_(\w+)\s+(\d+)", _HEADER.read_text())
        names |= {int(known): name for name, known in found}
    return names
