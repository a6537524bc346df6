"""The defences one by one, how each is taken away, and a cheat that succeeds without it.

A slot that loses one of them after its first trial, for the tests of this folder only:

    python -m tests.cheats.defences NAME FOLDER LOCK
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from executor.sandbox import bubblewrap, cgroup, meter, namespaces, sandbox
from executor.sandbox.lock_in import WRITE
from executor.sandbox.sandbox import SandboxName
from executor.trial import exam_pipe, examiner, half, log_tail, trial
from executor.trial.log_tail import last_line, tail
from executor.workers import slot
from tests.cheats.removals import (
    around,
    bwrap_options,
    everything_training_left,
    exposed,
    exposed_to_the_loader,
    installed_in,
    instead,
    launchers_do,
    no_filter,
    no_loader_covers,
    no_project_masks,
    put,
    servers_run,
    setpriv,
    shared_folder,
    without,
    writable_data,
)


@dataclass(frozen=True)
class Defence:
    """One defence under one lock: `remove()` takes it away in this process, for good; `cheat` is
    the name of one that it stops, in a setting that `given()` makes. A server of warm starts is
    another process: without a defence of the worker's own, all starts are cold."""

    name: str
    lock: SandboxName
    cheat: str
    remove: Callable[[], None]
    given: Callable[[], None] = lambda: None
    of_servers: bool = False

    def __str__(self) -> str:
        return f"{self.lock}-{self.name}".replace(" ", "-")


_NO_BOUNDS = """
prctl = syscalls.prctl
syscalls.prctl = lambda number, *values: (
    None if number == syscalls.PR_CAPBSET_DROP else prctl(number, *values)
)
"""
# What the filter of system calls keeps a box from, and the cheat that would use it.
_REFUSED_CALLS = {
    "locks of files": "locks-shared-files",
    "news of files": "watches-shared-files",
    "the page cache": "asks-the-page-cache",
    "slots of aio": "takes-the-slots-of-the-machine",
    "inodes": "asks-about-shared-inodes",
}


def _for_each_lock() -> list[Defence]:
    """Defences that lie before or behind the lock, or that both locks take from one function."""
    found = []
    for name, module in (("bubblewrap", bubblewrap), ("namespaces", namespaces)):
        see = around(module, "visible_paths", lambda honest, gpus: (*honest(gpus), exposed()))
        found += [
            Defence("allow-list: data", name, "held-out-by-path", see),
            Defence("allow-list: homes", name, "keys-in-files", see),
            Defence("allow-list: store", name, "looks-for-the-store", see),
            Defence(
                "masks of held-out sources",
                name,
                "source-of-the-digits",
                around(module, "masked_paths", lambda honest, hidden, gpus: honest((), gpus)),
            ),
            Defence(
                "masks of the project",
                name,
                "project-sources",
                no_project_masks,
                given=installed_in(module),
            ),
            Defence(
                "machine out of sight",
                name,
                "counts-the-machine",
                put(module, "covers", lambda box: []),
            ),
            Defence(
                "covers in the loader's folders",
                name,
                "other-copies-by-the-loader",
                no_loader_covers,
                given=exposed_to_the_loader,
            ),
            *(
                Defence(f"seccomp: {what}", name, cheat, no_filter)
                for what, cheat in _REFUSED_CALLS.items()
            ),
        ]
    return found  # type: ignore[return-value]


DEFENCES: tuple[Defence, ...] = (
    *_for_each_lock(),
    # ---- bubblewrap
    Defence("network namespace", "bubblewrap", "network-tcp", without("--unshare-net")),
    Defence("pid namespace", "bubblewrap", "sees-others", without("--unshare-pid")),
    Defence(
        "ipc namespace",
        "bubblewrap",
        "left-in-shared-memory",
        without("--unshare-ipc"),
        given=no_filter,
    ),
    Defence(
        "host name",
        "bubblewrap",
        "knows-the-machine",
        without("--unshare-uts", "--hostname", "box"),
    ),
    Defence("read-only data", "bubblewrap", "poisoned-data", bwrap_options(writable_data)),
    Defence("own /tmp", "bubblewrap", "left-in-files", shared_folder("tmp", "/tmp")),
    Defence("own /dev/shm", "bubblewrap", "left-in-posix-memory", shared_folder("shm", "/dev/shm")),
    Defence(
        "own /dev",
        "bubblewrap",
        "devices",
        instead(["--dev", "/dev"], ["--dev-bind", "/dev", "/dev"]),
    ),
    Defence(
        "unprivileged user",
        "bubblewrap",
        "becomes-root",
        put(bubblewrap, "_give_up_root", lambda uid: []),
    ),
    Defence("bounding set", "bubblewrap", "becomes-root", setpriv("--bounding-set=-all", [])),
    Defence("seccomp", "bubblewrap", "kernel-doors", no_filter),
    # ---- namespaces
    Defence("network namespace", "namespaces", "network-tcp", launchers_do("syscalls.NEWNET = 0")),
    Defence(
        "ipc namespace",
        "namespaces",
        "left-in-shared-memory",
        launchers_do("syscalls.NEWIPC = 0"),
        given=no_filter,
    ),
    Defence("pid namespace", "namespaces", "kills-by-number", launchers_do("syscalls.NEWPID = 0")),
    Defence(
        "host name",
        "namespaces",
        "knows-the-machine",
        # or the host would get another name
        launchers_do("syscalls.NEWUTS, syscalls.set_hostname = 0, lambda name: None"),
    ),
    Defence(
        "read-only data",
        "namespaces",
        "poisoned-data",
        around(
            namespaces,
            "_show",
            lambda honest, *words: honest(*words[:2], WRITE) if len(words) == 2 else honest(*words),
        ),
    ),
    Defence(
        "unprivileged user",
        "namespaces",
        "becomes-root",
        launchers_do("os.setresuid = lambda *ids: None"),
    ),
    Defence(
        "unprivileged group",
        "namespaces",
        "becomes-root",
        launchers_do("os.setresgid = lambda *ids: None"),
    ),
    Defence("bounding set", "namespaces", "becomes-root", launchers_do(_NO_BOUNDS)),
    Defence("seccomp", "namespaces", "kernel-doors", no_filter),
    Defence(
        "closed descriptors of a warm start",
        "namespaces",
        "asks-for-a-fork-of-its-own",
        servers_run("open_warm_server.py"),
        of_servers=True,
    ),
    # ---- limits
    Defence(
        "memory of a group",
        "bubblewrap",
        "memory-heap",
        around(
            cgroup,
            "create",
            lambda honest, name, memory_mib, processes: honest(
                name, memory_mib=100 * memory_mib, processes=processes
            ),
        ),
    ),
    Defence(
        "processes of a group",
        "bubblewrap",
        "fork-bomb",
        around(
            cgroup,
            "create",
            lambda honest, name, memory_mib, processes: honest(
                name, memory_mib=memory_mib, processes=10_000
            ),
        ),
    ),
    Defence(
        "size of the trial's tmpfs",
        "bubblewrap",
        "disk-full",
        around(
            trial,
            "trial_folder",
            lambda honest, path, disk_mib, files, mounted: honest(
                path, 100 * disk_mib, files, mounted=mounted
            ),
        ),
    ),
    Defence(
        "files of the trial's tmpfs", "bubblewrap", "million-files", put(trial, "MAX_FILES", 10**7)
    ),
    Defence(
        "open files",
        "bubblewrap",
        "descriptor-bomb",
        put(sandbox, "rlimits", lambda *_, **__: []),
    ),
    Defence(
        "file size",
        "bubblewrap",
        "disk-hundred-gigabytes",
        put(sandbox, "rlimits", lambda *_, **__: []),
    ),
    Defence(
        "processor time of the whole tree",
        "bubblewrap",
        "unpaid-processors",
        put(meter.Meter, "cpu_seconds", lambda self: 0.0),
    ),
    # ---- what goes in and comes out
    Defence(
        "clean environment",
        "bubblewrap",
        "keys-in-the-environment",
        around(
            half,
            "environment",
            lambda honest, *words, **named: {**os.environ, **honest(*words, **named)},
        ),
    ),
    Defence(
        "candidate of plain files",
        "bubblewrap",
        "link-to-a-system-file",
        put(trial, "check_candidate", lambda left: None),
    ),
    Defence(
        "fresh copy for the candidate",
        "bubblewrap",
        "candidate-with-its-own-code",
        around(half, "_lay_out", everything_training_left),
    ),
    Defence(
        "separate log of the exam",
        "bubblewrap",
        "prints-the-questions",
        put(
            examiner.Candidate,
            "first_log",
            property(lambda self: tail(self._log_path), lambda self, text: None),
        ),
    ),
    Defence(
        "silent death in the exam",
        "bubblewrap",
        "dies-with-a-question",
        put(examiner.Candidate, "_how_it_ended", lambda self: last_line(tail(self._log_path))),
    ),
    Defence(
        "cleaned log",
        "bubblewrap",
        "injection-log",
        put(log_tail, "clean_text", lambda text, _: text),
    ),
    Defence(
        "checked answers", "bubblewrap", "wrong-dtype", put(examiner, "_validate", lambda *_: None)
    ),
    Defence(
        "size of answers",
        "bubblewrap",
        "huge-frame",
        around(
            exam_pipe,
            "read_array",
            lambda honest, stream, max_bytes, shared=None: honest(stream, 2**62, shared),
        ),
    ),
)


def main() -> None:
    name = sys.argv.pop(1)
    lock_name = slot.Sandbox.from_json(sys.argv[2]).name
    [defence] = [d for d in DEFENCES if (d.name, d.lock) == (name, lock_name)]
    defence.given()
    honest, trials = slot.run_trial, itertools.count()

    def run_trial(*words: Any, **named: Any) -> Any:
        if next(trials) == 1:
            defence.remove()
            namespaces._of_the_host.cache_clear()
            if not defence.of_servers:
                setattr(half, "server_for", lambda *_: None)  # noqa: B010
        return honest(*words, **named)

    setattr(slot, "run_trial", run_trial)  # noqa: B010
    slot.main()


if __name__ == "__main__":
    main()
