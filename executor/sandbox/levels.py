"""Chooses the sandbox for this machine: the best that reaches the requested level, or a UserError.

    >>> sandbox = choose("best-effort")        # "strict" raises UserError where it cannot be had
    >>> meets(str(sandbox), "best-effort")     # the best that this machine gives, perhaps strict
    True

`strict` is for code of language models and strangers; `best-effort` takes the best that the machine
has and is for ideas that the project itself ships; `none` isolates nothing. A sandbox is tested
before it is used, and nothing weaker than requested is ever chosen.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from executor.errors import UserError
from executor.processes.processes import LINUX
from executor.sandbox.bubblewrap import find_binary
from executor.sandbox.sandbox import LEVELS, Level, Sandbox, SandboxName

SANDBOXES: tuple[SandboxName, ...] = ("namespaces", "bubblewrap", "process")

_testing = threading.Lock()


def choose_ahead(level: Level) -> None:
    """Begins the tests for which `choose` would wait, which then take less or no time."""

    def test() -> None:
        with suppress(UserError):
            choose(level)

    threading.Thread(target=test, name="sandbox", daemon=True).start()


def choose(level: Level = "strict", names: Sequence[SandboxName] = SANDBOXES) -> Sandbox:
    """The first sandbox among `names` that holds here and reaches `level`. Raises UserError."""
    if level == "none":
        return Sandbox("process", "none")
    reasons = []
    for name in names:
        if name == "process":
            if level == "best-effort":
                return Sandbox("process", "best-effort")
            continue
        with _testing:
            sandbox, why = _tested(name)
        if sandbox:
            return sandbox
        reasons.append(f"{name}: {why}")
    raise UserError(
        f"a {level} sandbox cannot be had here ({'; '.join(reasons)}): install bubblewrap (apt "
        "install bubblewrap), allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; "
        "for a container: --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
        ", or, for code that you trust, ask for less with --sandbox best-effort"
    )


def meets(reached: str, asked: Level) -> bool:
    """Whether the sandbox recorded in an outcome reaches the requested level."""
    level = reached.partition(":")[0]
    return level in LEVELS and LEVELS.index(level) <= LEVELS.index(asked)


def guarantees(sandbox: Sandbox) -> tuple[tuple[str, bool], ...]:
    """What holds under a sandbox on this machine, and what does not."""
    held = sandbox.isolates
    return (
        ("the system and the interpreter can only be read, other files are not there", held),
        ("held-out data, examiner, store and other trials are not there", held),
        ("no network, own processes, own shared memory", held),
        ("an unprivileged user without capabilities, filtered system calls", held),
        ("no key or variable of the parent", sandbox.level != "none"),
        ("limits on single processes (open files, file size, CPU)", sandbox.level != "none"),
        ("memory and processes of a trial bounded by the kernel (control groups)", sandbox.grouped),
        ("bytes and files of a trial bounded by the kernel (tmpfs)", sandbox.mounted),
        ("the whole process tree ends with the trial, and with the worker", LINUX),
    )


@cache
def _tested(name: SandboxName) -> tuple[Sandbox | None, str]:
    """The sandbox as it holds on this machine, or None and why it does not."""
    if not LINUX:
        return None, "it needs Linux"
    sandbox = Sandbox(name, "strict")
    if name == "bubblewrap":
        binary, why = find_binary()
        if binary is None:
            return None, why
        version = subprocess.run([binary, "--version"], capture_output=True, text=True)
        if version.returncode != 0:
            return None, f"{binary} does not run: {version.stderr.strip()}"
        sandbox = Sandbox(name, "strict", version.stdout.split()[-1], str(binary))
    probe = [sys.executable, "-P", "-m", "executor.sandbox.probe", sandbox.to_json()]
    result = subprocess.run(probe, capture_output=True, text=True)
    if result.returncode != 0:
        return None, (result.stderr.strip().splitlines() or ["its test crashed"])[-1]
    answer = json.loads(result.stdout)
    return (None, answer["why"]) if answer["why"] else (Sandbox.from_json(answer["sandbox"]), "")
