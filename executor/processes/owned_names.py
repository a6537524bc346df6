"""Names of what a process leaves on its machine (folders, control groups): they say whose it is.

    name = owned_name("0")        # ideator-rl-4026531836-815-0, of process 815
    has_no_owner(name)            # True once that process is over

A PID means something in its own PID namespace only: what processes of other namespaces own (other
containers, with the same temporary folder or control groups) is never without an owner.
"""

from __future__ import annotations

import os
import re

from executor.processes.processes import LINUX, is_alive

PREFIX = "ideator-rl-"
_NAME = re.compile(PREFIX + r"([0-9]+)-([0-9]+)-.*")


def owned_name(rest: str = "", pid: int | None = None) -> str:
    """A name that says that a process, by default this one, is the owner."""
    return f"{PREFIX}{_namespace()}-{os.getpid() if pid is None else pid}-{rest}"


def has_no_owner(name: str) -> bool:
    """Whether the owner was a process of this PID namespace and is over."""
    match = _NAME.fullmatch(name)
    return match is not None and match[1] == _namespace() and not is_alive(int(match[2]))


def _namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino) if LINUX else "0"
