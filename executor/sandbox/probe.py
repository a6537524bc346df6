"""Tests a sandbox on this machine: a small script in the sandbox tries what must not work.

    python -P -m executor.sandbox.probe SANDBOX-JSON

Prints one JSON object: the sandbox with what bounds memory and disk here, or `why` it does not
hold.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from executor.processes import processes
from executor.sandbox.box import Box, Limits
from executor.sandbox.cgroup import ControlGroup
from executor.sandbox.meter import Meter
from executor.sandbox.sandbox import Sandbox, box_uid, open_group, places, start
from executor.sandbox.watch import TimeLimits, watch
from executor.sandbox.workspace import enter_private_mounts, trial_folder

_DISK_MIB = 4
_SECONDS = 20
# A module that every Python has, which nothing imports: stands for held-out data.
_HIDDEN = Path(json.__file__).parent.parent / "this.py"
_SCRIPT = """
import fcntl, os, sys
import _socket  # what `socket` adds to it takes longer to import than all the rest
secret, hidden = sys.argv[1:]
def fails(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return True
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status"))
facts = {
    "the host's files are out of sight": fails(open, secret),
    "hidden files are out of sight": fails(open, hidden) or not open(hidden).read(),
    "data can only be read": fails(open, os.environ["DATA_DIR"] + "/x", "w"),
    "the system can only be read": fails(open, "/usr/x", "w") and fails(open, "/x", "w"),
    "there is no network": [name for _, name in _socket.if_nameindex()] == ["lo"],
    "other processes are out of sight": len([p for p in os.listdir("/proc") if p.isdigit()]) < 6,
    "process 1 cannot be read": os.getpid() == 1 or fails(open, "/proc/1/mem", "rb"),
    "the user is an ordinary one": os.getuid() != 0 and fails(os.setuid, 0),
    "there are no capabilities": not any(int(status[f"Cap{of}"], 16)
        for of in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
    "there are no new privileges": status["NoNewPrivs"].strip() == "1",
    "system calls are filtered": status["Seccomp"].strip() == "2",
    "files cannot be locked": fails(fcntl.flock, sys.stdin, fcntl.LOCK_SH)
        and fails(fcntl.lockf, sys.stdin, fcntl.LOCK_SH),
    "the machine's counters are out of sight": fails(open, "/proc/vmstat"),
    "the environment is clean": "PROBE_SECRET" not in os.environ,
    "the work folder can be written": not fails(open, "x", "w"),
}
print(*(fact for fact, holds in facts.items() if not holds), "all was tried", sep="\\n")
"""


def main() -> None:
    sandbox = Sandbox.from_json(sys.argv[1])
    processes.adopt_orphans()
    os.environ["PROBE_SECRET"] = "secret"
    with tempfile.TemporaryDirectory(prefix="ideator-rl-probe-") as name:
        folder = Path(name)
        sandbox = _with_bounds(sandbox, folder / "bounds")
        try:
            why = _what_does_not_hold(sandbox, folder)
        except OSError as error:
            why = str(error)
    print(json.dumps({"why": why, "sandbox": sandbox.to_json()}))


def _with_bounds(sandbox: Sandbox, folder: Path) -> Sandbox:
    """The sandbox with the bounds on memory and disk that this machine gives."""
    if not sandbox.isolates:
        return sandbox
    try:
        enter_private_mounts()
        with trial_folder(folder, _DISK_MIB, 100, mounted=True):
            sandbox = replace(sandbox, mounted=True)
    except OSError:
        # A user who may make no namespaces here: bwrap can still be allowed to.
        sandbox = replace(sandbox, mounted=False)
    try:
        group = open_group(replace(sandbox, grouped=True), _box(folder))
    except OSError:
        return sandbox
    enters = group is not None and _can_enter(group)
    if group:
        group.remove()
    return replace(sandbox, grouped=enters)


def _can_enter(group: ControlGroup) -> bool:
    """Whether a process of this user may move there: making a group does not say so."""
    if (child := os.fork()) == 0:
        try:
            group.enter()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _box(folder: Path) -> Box:
    limits = Limits(memory_mib=512, disk_mib=_DISK_MIB, processes=64)
    return Box(
        work=folder / "work",
        scratch=folder / "scratch",
        data=folder / "data",
        hidden=(_HIDDEN,),
        limits=limits,
    )


def _what_does_not_hold(sandbox: Sandbox, folder: Path) -> str:
    """The first promise that is broken here; empty when all hold."""
    (folder / "secret").write_text("secret")
    with trial_folder(folder / "trial", _DISK_MIB, 100, mounted=sandbox.mounted):
        box = _box(folder / "trial")
        for path in (box.work, box.scratch / "tmp", box.scratch / "shm", folder / "trial" / "data"):
            path.mkdir(parents=True)
            os.chown(path, box_uid(), -1)
        *broken, last = _printed_in(sandbox, box, folder).splitlines() or ["its test does not end"]
    if last != "all was tried":
        return last
    return f"it does not hold that {broken[0]}" if broken else ""


def _printed_in(sandbox: Sandbox, box: Box, folder: Path) -> str:
    """What the script prints in the box, or why it does not start."""
    words = [sys.executable, "-I", "-S", "-c", _SCRIPT, str(folder / "secret"), str(_HIDDEN)]
    group = open_group(sandbox, box)
    output = folder / "output"
    try:
        with output.open("wb") as file, suppress(OSError):
            env = {"DATA_DIR": places(sandbox, box)[1]}
            process = start(sandbox, box, words, env=env, output=file.fileno(), group=group)
            limits = TimeLimits("wall", _SECONDS, _SECONDS, _SECONDS)
            meter = Meter(folder, box.limits, group, sandbox.mounted)
            watch(process, limits, meter=meter)
    finally:
        processes.end_tree()
        if group:
            group.remove()
    return output.read_text(errors="replace").strip()


if __name__ == "__main__":
    main()
