"""Locks the calling process in, as a plan says that was made elsewhere, see `namespaces`.

    set_rlimits([(resource.RLIMIT_CORE, 0)])
    lock_in(plan, report)         # returns in a grandchild of the process that called it

The caller leaves its namespaces, builds the box's file tree and forks twice: the outer process
waits, the middle one is process 1 of the box, whose end ends all others, and only the inner one
returns, as an ordinary user without capabilities, ready to become the command.

It imports little: each process in a box begins as a fork of one that has imported it.
"""

from __future__ import annotations

import os
import resource
import signal

from executor.sandbox import syscalls as sys

_NOBODY = 65534
# What a step of a plan does at its place: makes a folder or a link; shows a file or a tree of the
# host, read-only or not; covers a folder; shows a device.
FOLDER, LINK, READ, WRITE, COVER, DEVICE = range(6)


class Plan:
    """A box, in words of the kernel.

    Args:
        root: an empty folder of the host.
        tree: by step what it does, its place below the root, the source of what is shown there or
            the target of a link, and whether that is a folder.
        covers: sources and places of what is shown read-only in the box's /proc.
        work: the folder in the box where the process is at last.
        uid: the user that root becomes.
        capabilities: the number of the last one.
        filter: of system calls, see `seccomp`.
    """

    def __init__(
        self,
        *,
        root: str,
        tree: list[tuple[int, str, str, bool]],
        covers: list[tuple[str, str]],
        work: str,
        uid: int,
        capabilities: int,
        filter: bytes | None,
    ) -> None:
        self.root, self.tree, self.covers, self.work = root, tree, covers, work
        self.uid, self.capabilities, self.filter = uid, capabilities, filter


def set_rlimits(limits: list[tuple[int, int]]) -> None:
    """Limits this process, and makes it the first that the kernel ends where memory runs out."""
    for kind, value in limits:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
    try:  # noqa: SIM105 (it would be an import)
        write("/proc/self/oom_score_adj", "1000")
    except OSError:
        pass


def lock_in(plan: Plan, report: int | None = None) -> None:
    """Locks the calling process in; returns in a grandchild of it.

    The exit code of the grandchild is that of the caller, and is written to the descriptor `report`
    if there is one. Raises OSError where the kernel refuses.
    """
    as_root = os.geteuid() == 0
    namespaces = sys.NEWNS | sys.NEWPID | sys.NEWNET | sys.NEWIPC | sys.NEWUTS
    if as_root:
        sys.unshare(namespaces)
    else:
        user, group = os.geteuid(), os.getegid()
        sys.unshare(namespaces | sys.NEWUSER)
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{_NOBODY} {user} 1")
        write("/proc/self/gid_map", f"{_NOBODY} {group} 1")
    sys.set_hostname("box")
    # Its own: torchrun, gloo and NCCL meet there.
    sys.raise_loopback()
    sys.mount("none", "/", flags=sys.REC | sys.PRIVATE)
    _build(plan)
    fork_and_wait(report)
    # Process 1 of the box: only now can its /proc be mounted.
    sys.prctl(sys.PR_SET_PDEATHSIG, signal.SIGKILL)
    flags = sys.NOSUID | sys.NODEV | sys.NOEXEC
    sys.mount("proc", f"{plan.root}/proc", "proc", flags, "hidepid=invisible")
    for source, place in plan.covers:
        sys.bind(source, plan.root + place, read_only=True)
    _move_in(plan)
    # This process has the memory of a server: no process in the box may read it.
    sys.prctl(sys.PR_SET_DUMPABLE, 0)
    fork_and_wait()
    os.setsid()
    for capability in range(plan.capabilities + 1):
        sys.prctl(sys.PR_CAPBSET_DROP, capability)
    if as_root:
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    sys.prctl(sys.PR_CAP_AMBIENT, sys.PR_CAP_AMBIENT_CLEAR_ALL)
    # In a user namespace of its own it has them all, and a warm start calls no exec() that ends it.
    sys.drop_capabilities()
    sys.prctl(sys.PR_SET_NO_NEW_PRIVS, 1)
    if plan.filter:
        sys.filter_syscalls(plan.filter)


def _build(plan: Plan) -> None:
    """The box's file tree, below the root."""
    sys.mount("tmpfs", plan.root, "tmpfs", sys.NOSUID | sys.NODEV, "size=1m,mode=0755")
    for action, place, source, is_folder in plan.tree:
        target = plan.root + place
        if action == LINK:
            os.symlink(source, target)
            continue
        try:
            if is_folder:
                os.mkdir(target, 0o755)
            else:
                os.mknod(target, 0o644)
        except FileExistsError:
            pass
        if action in (READ, WRITE):
            sys.bind(source, target, read_only=action == READ)
        elif action == COVER:
            options = sys.RDONLY | sys.NOSUID | sys.NODEV
            sys.mount("tmpfs", target, "tmpfs", options, "mode=0555")
        elif action == DEVICE:
            sys.mount(source, target, flags=sys.BIND | sys.REC)


def _move_in(plan: Plan) -> None:
    """Makes the plan's root the root; the host's own is unmounted from sight."""
    os.chdir(plan.root)
    sys.pivot_root(".", ".")
    sys.unmount(".")
    sys.make_read_only("/")
    os.chdir(plan.work)


def fork_and_wait(report: int | None = None) -> None:
    """Returns in the child; the parent waits for it and ends as it did, without a trace."""
    child = os.fork()
    if child == 0:
        return
    last = os.sysconf("SC_OPEN_MAX")
    os.closerange(0, last if report is None else report)
    if report is not None:
        os.closerange(report + 1, last)
    pid = status = 0
    while pid != child:
        # As process 1 this one also reaps the orphans of the box.
        pid, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    code = code if code >= 0 else 128 - code
    if report is not None:
        try:  # noqa: SIM105
            os.write(report, f"{code}\n".encode())
        except BrokenPipeError:
            pass
    os._exit(code)


def write(path: str, text: str) -> None:
    # Unbuffered: the kernel's answer belongs to this very write.
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
